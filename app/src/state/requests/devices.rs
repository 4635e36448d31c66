//! Requests for the devices that compute.

use umbra_core::device::DeviceWish;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// List the devices; nothing is measured.
    List,
    /// Give jobs this device from now on.
    Choose(DeviceWish),
    /// Measure all devices.
    Measure,
}
