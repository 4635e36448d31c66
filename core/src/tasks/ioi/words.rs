//! Words of the sentences with two names. A model uses those that are one token with a space before them.

/// Names that go with "he".
pub(super) const HE: [&str; 76] = [
    "John", "Tom", "James", "Peter", "Paul", "Jack", "George", "Henry", "William", "Charles",
    "Robert", "David", "Ben", "Edward", "Arthur", "Jim", "Harry", "Frank", "Eric", "Richard",
    "Martin", "Michael", "Daniel", "Simon", "Andrew", "Adam", "Scott", "Kevin", "Jason", "Alex",
    "Brian", "Bruce", "Carl", "Chris", "Connor", "Dan", "Dean", "Dennis", "Donald", "Doug",
    "Dylan", "Evan", "Fred", "Gary", "Gordon", "Graham", "Greg", "Ian", "Jacob", "Jeff", "Jeremy",
    "Joe", "Jonathan", "Jordan", "Joseph", "Josh", "Justin", "Keith", "Ken", "Larry", "Luke",
    "Mark", "Matthew", "Max", "Nathan", "Neil", "Nick", "Oliver", "Patrick", "Philip", "Roger",
    "Ryan", "Sam", "Stephen", "Steve", "Thomas",
];

/// Names that go with "she".
pub(super) const SHE: [&str; 49] = [
    "Mary",
    "Alice",
    "Sarah",
    "Emma",
    "Lucy",
    "Jane",
    "Kate",
    "Rose",
    "Margaret",
    "Martha",
    "Susan",
    "Laura",
    "Helen",
    "Clara",
    "Grace",
    "Nancy",
    "Amy",
    "Anna",
    "Ruth",
    "Alison",
    "Amanda",
    "Andrea",
    "Angela",
    "Barbara",
    "Carol",
    "Caroline",
    "Catherine",
    "Christine",
    "Claire",
    "Diana",
    "Elizabeth",
    "Emily",
    "Erin",
    "Heather",
    "Jennifer",
    "Jessica",
    "Julia",
    "Julie",
    "Karen",
    "Katie",
    "Linda",
    "Lisa",
    "Maria",
    "Michelle",
    "Nicole",
    "Rachel",
    "Rebecca",
    "Samantha",
    "Victoria",
];

/// Places besides those of [`crate::heads::ioi::PLACES`].
pub(super) const PLACES: [&str; 16] = [
    "store",
    "park",
    "office",
    "station",
    "hospital",
    "restaurant",
    "church",
    "library",
    "beach",
    "farm",
    "hotel",
    "museum",
    "bank",
    "castle",
    "island",
    "theatre",
];

/// Objects besides those of [`crate::heads::ioi::OBJECTS`].
pub(super) const OBJECTS: [&str; 16] = [
    "drink", "basket", "bone", "computer", "necklace", "camera", "phone", "knife", "bottle",
    "coat", "chair", "map", "coin", "gift", "guitar", "key",
];

/// Templates of the paper (5.1). The first two build, the third tests.
pub(super) const PAPER: [&str; 3] = [
    "Then, [A] and [B] had a long and really crazy argument. Afterwards, [C] said to",
    "Then, [A] and [B] had lots of fun at the [PLACE]. Afterwards, [C] gave a [OBJECT] to",
    "Then, [A] and [B] were working at the [PLACE]. [C] decided to give a [OBJECT] to",
];

/// Returns what goes with a name; none for a name that is in no list.
pub(super) fn gender(name: &str) -> Option<&'static str> {
    let bare = name.trim();
    if HE.contains(&bare) {
        Some("he")
    } else if SHE.contains(&bare) {
        Some("she")
    } else {
        None
    }
}
