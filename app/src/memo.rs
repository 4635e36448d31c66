//! The last result of a pure function, kept with the inputs it was made from, so that immediate mode stays cheap.

/// A value and the key it belongs to.
#[derive(Debug, Clone)]
pub(crate) struct Memo<K, V> {
    kept: Option<(K, V)>,
}

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self { kept: None }
    }
}

impl<K: PartialEq, V> Memo<K, V> {
    /// The value for `key`, made anew only if the key is another than last time.
    pub(crate) fn get(&mut self, key: K, make: impl FnOnce(&K) -> V) -> &V {
        if !self.is_for(&key) {
            let value = make(&key);
            self.kept = Some((key, value));
        }
        let (_, value) = self.kept.as_ref().expect("it was just made");
        value
    }

    /// The value made last, whatever its key.
    pub(crate) fn latest(&self) -> Option<&V> {
        self.kept.as_ref().map(|(_, value)| value)
    }

    /// Whether the value kept belongs to `key`.
    pub(crate) fn is_for(&self, key: &K) -> bool {
        self.kept.as_ref().is_some_and(|(kept, _)| kept == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once_per_key() {
        let (mut memo, mut made) = (Memo::default(), 0);
        for key in [1, 1, 2, 2, 1] {
            let value = *memo.get(key, |key| {
                made += 1;
                key * 10
            });
            assert_eq!(value, key * 10);
        }
        assert_eq!(made, 3);
    }
}
