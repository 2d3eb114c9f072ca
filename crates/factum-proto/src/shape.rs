//! [`Shape`]: how many parts a message may have, counted on its bytes before anything is made of
//! them. An empty part takes two bytes on the wire and hundreds in memory: whoever decodes first and
//! counts then has already made room for all of them (G12).

use std::fmt;

use factum_store::Invalid;

/// Entries that all lists of a message may have together: as many as a whole batch of events with
/// all their tags and causes.
const PARTS_MAX: u32 = 4_096 * (1 + 64 + 64);
/// Different parts that a message of any shape has.
const FIELDS_MAX: usize = 4;

/// The parts of a message that are messages themselves, or may stand more than once.
#[derive(Debug)]
pub struct Shape(pub &'static [Part]);

/// One of them.
#[derive(Debug)]
pub struct Part {
    /// Its number in the interface.
    pub field: u32,
    /// What it is called in an error; nothing, when its own parts are called as if they were its
    /// parent's.
    pub name: &'static str,
    /// How often it may stand there; `None` for one that is no list.
    pub at_most: Option<u32>,
    /// What it is made of.
    pub of: &'static Shape,
}

/// Why a message is not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// There are more parts than there may be.
    TooMany(Invalid),
    /// The bytes are no message.
    Malformed(&'static str),
}

/// Where a part is, from the inside out.
struct Place<'a> {
    part: &'a Part,
    at: u32,
    within: Option<&'a Place<'a>>,
}

impl Shape {
    /// Nothing that has to be counted.
    pub const PLAIN: Self = Self(&[]);

    /// Counts the parts of a message. It looks at the keys and lengths of what it counts in, takes no
    /// memory, and ends at the first part that is too many.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn check(&self, message: &[u8]) -> Result<(), Unfit> {
        match self.0 {
            [] => Ok(()),
            _ => self.count(message, None, &mut 0),
        }
    }

    fn count(
        &self,
        mut message: &[u8],
        within: Option<&Place<'_>>,
        all: &mut u32,
    ) -> Result<(), Unfit> {
        let mut counts = [0_u32; FIELDS_MAX];
        while !message.is_empty() {
            let (field, value) = next(&mut message)?;
            let Some(value) = value else { continue };
            let found = self.0.iter().zip(&mut counts).find(|(part, _)| part.field == field);
            let Some((part, count)) = found else { continue };
            let place = Place { part, at: *count, within };
            if let Some(most) = part.at_most {
                (*count, *all) = (*count + 1, *all + 1);
                if *count > most {
                    return Err(place.too_many(most));
                }
                if *all > PARTS_MAX {
                    let problem = format!("has more than {PARTS_MAX} entries in all its lists");
                    return Err(Unfit::TooMany(Invalid::new("the request", problem)));
                }
            }
            if !part.of.0.is_empty() {
                part.of.count(value, Some(&place), all)?;
            }
        }
        Ok(())
    }
}

impl Place<'_> {
    fn too_many(&self, most: u32) -> Unfit {
        let name = self.part.name;
        let field = match self.within {
            Some(within) => format!("{within}{name}"),
            None => name.to_owned(),
        };
        Unfit::TooMany(Invalid::new(field, format!("has more than {most} entries")))
    }
}

/// As what lies within it is called: `conditions[2].query.`
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = self.within {
            within.fmt(f)?;
        }
        match (self.part.name, self.part.at_most) {
            ("", _) => Ok(()),
            (name, None) => write!(f, "{name}."),
            (name, Some(_)) => write!(f, "{name}[{}].", self.at),
        }
    }
}

/// The next field's number, and its bytes if it is of the kind that has a length.
#[inline]
fn next<'a>(message: &mut &'a [u8]) -> Result<(u32, Option<&'a [u8]>), Unfit> {
    let key = varint(message)?;
    let field = u32::try_from(key >> 3).unwrap_or(0);
    if field == 0 || key > u64::from(u32::MAX) {
        return Err(Unfit::Malformed("a field has a number that no field has"));
    }
    let len = match key & 7 {
        0 => {
            varint(message)?;
            return Ok((field, None));
        }
        1 => 8,
        2 => usize::try_from(varint(message)?).unwrap_or(usize::MAX),
        5 => 4,
        _ => return Err(Unfit::Malformed("a field is of a kind that the interface has not")),
    };
    let Some((value, rest)) = message.split_at_checked(len) else {
        return Err(Unfit::Malformed("a field is longer than the message that it is in"));
    };
    *message = rest;
    Ok((field, (key & 7 == 2).then_some(value)))
}

/// The next number, 7 bits a byte.
#[inline]
fn varint(message: &mut &[u8]) -> Result<u64, Unfit> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = message.split_first() else { break };
        *message = rest;
        if shift == 63 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Unfit::Malformed("a number is cut off or too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    static LEAF: Shape = Shape(&[Part { field: 4, name: "tags", at_most: Some(2), of: &PLAIN }]);
    static PLAIN: Shape = Shape::PLAIN;
    static MIDDLE: Shape = Shape(&[Part { field: 2, name: "one", at_most: None, of: &LEAF }]);
    static WHOLE: Shape =
        Shape(&[Part { field: 1, name: "events", at_most: Some(3), of: &MIDDLE }]);

    fn part(field: u8, value: &[u8]) -> Vec<u8> {
        let len = u8::try_from(value.len()).expect("is short");
        [&[field << 3 | 2, len], value].concat()
    }

    #[test]
    fn what_is_too_many_is_named_by_its_path() {
        let tags = part(4, b"").repeat(3);
        let message = [part(1, b""), part(1, &part(2, &tags))].concat();
        let Err(Unfit::TooMany(invalid)) = WHOLE.check(&message) else { panic!("is taken") };
        assert_eq!(invalid.to_string(), "events[1].one.tags has more than 2 entries");
        assert!(WHOLE.check(&part(1, &part(2, &part(4, b"a").repeat(2)))).is_ok());
        assert!(WHOLE.check(&part(1, b"").repeat(3)).is_ok());
        assert!(WHOLE.check(&part(1, b"").repeat(4)).is_err());
    }

    #[test]
    fn what_is_split_over_a_part_that_stands_twice_is_counted_in_all() {
        static DEEP: Shape = Shape(&[Part { field: 1, name: "", at_most: None, of: &LEAF }]);
        let merged = part(1, &part(4, b"").repeat(2)).repeat(PARTS_MAX as usize / 2 + 1);
        let Err(Unfit::TooMany(invalid)) = DEEP.check(&merged) else { panic!("is taken") };
        assert_eq!(invalid.field, "the request");
    }

    #[test]
    fn other_fields_are_passed_over_and_what_is_no_message_is_refused() {
        let plain = [&[0x08, 0x96, 0x01, 0x11][..], &[0; 8], &[0x1d, 0, 0, 0, 0], &part(9, b"x")];
        assert_eq!(WHOLE.check(&plain.concat()), Ok(()));
        let long = [0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        let wrong: [&[u8]; 7] =
            [b"\x80", b"\x0a\x05abc", b"\x09\x01", b"\x0b", b"\x00\x00", b"\x0d\x01", &long];
        for bytes in wrong {
            assert!(matches!(WHOLE.check(bytes), Err(Unfit::Malformed(_))), "{bytes:?}");
        }
    }
}
