//! Turns of a rendered chat, found by rendering it with placeholders for the contents.
//!
//! A prefix of the messages renders to a prefix of the whole under nearly every template, so its end is the end of a turn. Placeholders show where contents
//! stand between the template's own text; then the true text is matched against that text, piece by piece. A content may be trimmed or shortened by the
//! template; anything else leaves the roles unknown. Where a template writes a system message into the turn that follows, the markers around both belong to that
//! turn. Text before the first turn belongs to no message; it has the role `system` where it looks like the template's system turn.

use std::ops::Range;
use std::time::SystemTime;

use super::template::Template;
use super::{ASSISTANT, Message, Place, SYSTEM, USER};

/// Stretch of the rendered text and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Turn {
    /// Bytes of the text.
    pub(super) bytes: Range<usize>,
    /// Its place; none outside all turns.
    pub(super) place: Option<Place>,
}

/// Piece of the text with placeholders.
#[derive(Debug, Clone)]
enum Piece {
    /// Text of the template.
    Fixed(String, Option<Place>),
    /// Content of a message.
    Slot(usize),
}

/// Renderings of one template at one time with placeholders.
struct Marked<'a> {
    template: &'a Template,
    now: SystemTime,
    mark: char,
}

/// Returns the turns of `text`, which `template` wrote for `messages`; else the reason why they are unknown.
pub(super) fn turns(
    template: &Template,
    messages: &[Message],
    answer: bool,
    now: SystemTime,
    text: &str,
) -> Result<Vec<Turn>, String> {
    let used = |c: char| template.source().contains(c) || text.contains(c);
    let mark = ('\u{E000}'..='\u{F8FF}').find(|c| !used(*c));
    let mark = mark.ok_or("the text holds every character for private use")?;
    let marked = Marked {
        template,
        now,
        mark,
    };
    let roles: Vec<&str> = messages.iter().map(|m| m.role.as_str()).collect();
    let pieces = marked.pieces(&roles, answer)?;
    fill(&pieces, messages, text)
}

impl Marked<'_> {
    fn placeholder(&self, i: usize) -> String {
        format!("{0}{i}{0}", self.mark)
    }

    /// Renders messages of `roles` whose contents are placeholders.
    fn render(&self, roles: &[&str], answer: bool) -> Result<String, String> {
        let message = |(i, role): (usize, &&str)| Message::new(*role, self.placeholder(i));
        let messages: Vec<Message> = roles.iter().enumerate().map(message).collect();
        let text = self.template.render(&messages, answer, self.now);
        text.map_err(|error| format!("with other contents, {error}"))
    }

    /// Finds placeholder `i` in `text`; an error if the template writes it twice.
    fn slot(&self, text: &str, i: usize) -> Result<Option<Range<usize>>, String> {
        let placeholder = self.placeholder(i);
        let mut found = text.match_indices(&placeholder);
        let first = found.next().map(|(at, _)| at..at + placeholder.len());
        match found.next() {
            Some(_) => Err(format!("the template writes message {i} twice")),
            None => Ok(first),
        }
    }

    /// Returns the pieces of the text that messages of `roles` render to.
    fn pieces(&self, roles: &[&str], answer: bool) -> Result<Vec<Piece>, String> {
        let whole = self.render(roles, answer)?;
        let slots: Vec<Option<Range<usize>>> = (0..roles.len())
            .map(|i| self.slot(&whole, i))
            .collect::<Result<_, _>>()?;
        let ends = self.ends(roles, answer, &whole, &slots);
        let mut pieces = Vec::new();
        let mut begin = self.before(roles, &whole, slots[0].as_ref(), &mut pieces);
        for end in ends.into_iter().flatten() {
            if end < begin {
                continue;
            }
            let within = |slot: &Range<usize>| slot.start >= begin && slot.end <= end;
            let turn = slots.iter().enumerate();
            let turn = turn.filter_map(|(i, slot)| Some((i, slot.clone().filter(within)?)));
            turn_pieces(&whole, begin..end, turn.collect(), roles, &mut pieces);
            begin = end;
        }
        if begin < whole.len() {
            let place = Place {
                role: ASSISTANT.to_owned(),
                message: Some(roles.len()),
                is_marker: true,
            };
            pieces.push(Piece::Fixed(
                whole[begin..].to_owned(),
                answer.then_some(place),
            ));
        }
        Ok(pieces)
    }

    /// Returns the end of each message's turn in `whole`, where a rendering of the messages up to it gives it.
    fn ends(
        &self,
        roles: &[&str],
        answer: bool,
        whole: &str,
        slots: &[Option<Range<usize>>],
    ) -> Vec<Option<usize>> {
        let end = |i: usize| {
            let last = i + 1 == roles.len();
            if last && !answer {
                return Some(whole.len());
            }
            // A template may move a system message into a later turn.
            let placed = |j: &usize| *j == i || roles[*j] != SYSTEM;
            let slot = |j: usize| slots[j].as_ref();
            let before = (0..=i).filter(placed).filter_map(slot);
            let from = before.map(|slot| slot.end).max().unwrap_or(0);
            let behind = (i + 1..roles.len()).filter(placed).filter_map(slot);
            let to = behind.map(|slot| slot.start).min().unwrap_or(whole.len());
            let prefix = self.render(&roles[..=i], false).ok();
            let end = prefix.and_then(|prefix| end_of(&prefix, whole, from));
            let end = end.filter(|end| (from..=to).contains(end));
            end.or_else(|| last.then_some(whole.len()))
        };
        (0..roles.len()).map(end).collect()
    }

    /// Adds the text before the first turn, BOS and what the template says by itself; returns where the first turn begins.
    fn before(
        &self,
        roles: &[&str],
        whole: &str,
        slot: Option<&Range<usize>>,
        pieces: &mut Vec<Piece>,
    ) -> usize {
        let header = self.header(roles[0]);
        let users = self.header(USER);
        // Where turns open with it, as ChatML's do with SmolLM2's, it is a marker of the first turn.
        let opens_turns = |bos: &str| {
            let headers = header.iter().chain(&users);
            headers.into_iter().any(|header| header.starts_with(bos))
        };
        let bos = self.template.bos().filter(|bos| whole.starts_with(bos));
        let begun = bos.filter(|bos| !opens_turns(bos)).map_or(0, str::len);
        if begun > 0 {
            pieces.push(Piece::Fixed(whole[..begun].to_owned(), None));
        }
        let (Some(slot), Some(header)) = (slot, header) else {
            return begun;
        };
        let Some(before) = whole[..slot.start].strip_suffix(&header) else {
            return begun;
        };
        if before.len() <= begun {
            return begun;
        }
        let place = self.is_system_turn(before, begun).then(|| Place {
            role: SYSTEM.to_owned(),
            message: None,
            is_marker: true,
        });
        pieces.push(Piece::Fixed(before[begun..].to_owned(), place));
        before.len()
    }

    /// Returns the marker before the content of a later turn of `role`; none if the template has no such turn.
    fn header(&self, role: &str) -> Option<String> {
        let other = if role == USER { ASSISTANT } else { USER };
        let before = self.render(&[role, other], false).ok()?;
        let text = self.render(&[role, other, role], false).ok()?;
        let slot = self.slot(&text, 2).ok()??;
        let header = text.strip_prefix(&before)?;
        let header = header.get(..slot.start - before.len())?;
        Some(header.to_owned())
    }

    /// Whether `text`, which begins with `begun` bytes of BOS, has the markers of a system turn.
    fn is_system_turn(&self, text: &str, begun: usize) -> bool {
        let Ok(system) = self.render(&[SYSTEM], false) else {
            return false;
        };
        let Ok(Some(slot)) = self.slot(&system, 0) else {
            return false;
        };
        let (opens, closes) = (&system[..slot.start], &system[slot.end..]);
        !closes.is_empty()
            && opens.len() > begun
            && opens.len() + closes.len() <= text.len()
            && text.starts_with(opens)
            && text.ends_with(closes)
    }
}

/// Adds the pieces of one turn, `bytes` of `whole`, in which the contents `slots` stand: those of one message, or those of several whose turns cannot be told
/// apart.
fn turn_pieces(
    whole: &str,
    bytes: Range<usize>,
    mut slots: Vec<(usize, Range<usize>)>,
    roles: &[&str],
    pieces: &mut Vec<Piece>,
) {
    slots.sort_by_key(|(_, slot)| slot.start);
    // A system message within a turn has no markers of its own.
    let owners: Vec<usize> = slots
        .iter()
        .map(|(i, _)| *i)
        .filter(|i| slots.len() == 1 || roles[*i] != SYSTEM)
        .collect();
    let place = |i: usize| Place {
        role: roles[i].to_owned(),
        message: Some(i),
        is_marker: true,
    };
    let mut owners = owners.into_iter().peekable();
    let mut before: Option<usize> = None;
    let mut at = bytes.start;
    for (i, slot) in slots {
        // Between two messages that cannot be told apart, the marker is nobody's.
        let owner = match (before, owners.peek()) {
            (None, Some(next)) => Some(*next),
            (Some(last), None) => Some(last),
            (Some(last), Some(next)) if last == *next => Some(last),
            _ => None,
        };
        if at < slot.start {
            pieces.push(Piece::Fixed(
                whole[at..slot.start].to_owned(),
                owner.map(place),
            ));
        }
        pieces.push(Piece::Slot(i));
        at = slot.end;
        if owners.peek() == Some(&i) {
            before = owners.next();
        }
    }
    if at < bytes.end {
        let rest = whole[at..bytes.end].to_owned();
        pieces.push(Piece::Fixed(rest, before.map(place)));
    }
}

/// Returns the end in `whole` of a turn whose content ends at `from` or before, and up to which the messages render to `prefix`. Where the two part, as where a
/// template writes an end of text behind the last message, the turn ends with the last marker that they share.
fn end_of(prefix: &str, whole: &str, from: usize) -> Option<usize> {
    let end = common(prefix, whole);
    if end == prefix.len() {
        return Some(end);
    }
    let shared = whole.get(from..end)?;
    let closes = |c: char| c.is_whitespace() || matches!(c, '>' | ']');
    let last = shared.char_indices().rev().find(|(_, c)| closes(*c));
    Some(from + last.map_or(0, |(at, c)| at + c.len_utf8()))
}

/// Returns the number of bytes of whole characters that `a` and `b` begin with alike.
fn common(a: &str, b: &str) -> usize {
    let alike = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    alike.map(|(a, _)| a.len_utf8()).sum()
}

/// Matches `text` against `pieces` and returns its stretches.
fn fill(pieces: &[Piece], messages: &[Message], text: &str) -> Result<Vec<Turn>, String> {
    let mut turns = Vec::new();
    let mut at = 0;
    for (n, piece) in pieces.iter().enumerate() {
        let (length, place) = match piece {
            Piece::Fixed(fixed, place) => {
                if !text[at..].starts_with(fixed) {
                    return Err("the template writes other markers for these contents".to_owned());
                }
                (fixed.len(), place.clone())
            }
            Piece::Slot(i) => {
                let next = match pieces.get(n + 1) {
                    Some(Piece::Fixed(fixed, _)) => Some(fixed.as_str()),
                    Some(Piece::Slot(_)) => Some(""),
                    None => None,
                };
                let length = content(&text[at..], &messages[*i].content, next)
                    .ok_or_else(|| format!("the template changes the content of message {i}"))?;
                let place = Place {
                    role: messages[*i].role.clone(),
                    message: Some(*i),
                    is_marker: false,
                };
                (length, Some(place))
            }
        };
        if length > 0 {
            turns.push(Turn {
                bytes: at..at + length,
                place,
            });
        }
        at += length;
    }
    if at < text.len() {
        return Err("the template writes more for these contents".to_owned());
    }
    Ok(turns)
}

/// Returns the length of `content`, whole, trimmed or shortened, at the beginning of `text` and before `next` (the end of the text if it is none).
fn content(text: &str, content: &str, next: Option<&str>) -> Option<usize> {
    let fits = |length: usize| {
        text.get(length..).is_some_and(|rest| match next {
            Some(next) => rest.starts_with(next),
            None => rest.is_empty(),
        })
    };
    let ways = [
        content,
        content.trim(),
        content.trim_start(),
        content.trim_end(),
    ];
    let known = ways
        .into_iter()
        .find(|way| text.starts_with(way) && fits(way.len()));
    if let Some(way) = known {
        return Some(way.len());
    }
    let length = match next {
        Some("") => None,
        Some(next) => text.find(next),
        None => Some(text.len()),
    };
    length.filter(|length| content.contains(&text[..*length]))
}
