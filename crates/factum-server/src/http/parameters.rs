//! The parameters of an address, percent-decoded and taken one by one. Nothing is ignored: a name
//! that a route does not have, a name given twice and a value that can't be read are refused.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use percent_encoding::percent_decode;

use super::{
    known::Known,
    problem::{Kind, Problem},
};

/// The parameters of one request, in the order they were given.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    given: Vec<(String, String)>,
}

/// The most parameters of one request.
const PARAMETERS_MAX: usize = 256;

impl Parameters {
    /// Reads them from an address.
    pub(crate) fn parse(uri: &Uri) -> Result<Self, Problem> {
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let mut given = Vec::new();
        for pair in pairs {
            if given.len() == PARAMETERS_MAX {
                let detail = format!("the address has more than {PARAMETERS_MAX} parameters");
                return Err(Problem::new(Kind::Invalid, detail));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            given.push((decode(name)?, decode(value)?));
        }
        Ok(Self { given })
    }

    /// Refuses what a route does not know.
    pub(crate) fn check(&self, known: &[Known]) -> Result<(), Problem> {
        let is_known = |name: &str| known.iter().any(|known| known.name == name);
        let Some((unknown, _)) = self.given.iter().find(|(name, _)| !is_known(name)) else {
            return Ok(());
        };
        let names: Vec<_> = known.iter().map(|known| known.name).collect();
        let detail = match names.as_slice() {
            [] => format!("{unknown:?} is not a parameter here; there are none"),
            names => {
                format!("{unknown:?} is not a parameter here; there are: {}", names.join(", "))
            }
        };
        Err(Problem::new(Kind::UnknownParameter, detail).with("field", unknown.as_str()))
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn text<'a>(&'a self, name: &'a str) -> Result<Option<&'a str>, Problem> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(Problem::invalid(name, "is given twice; give it once"));
        }
        Ok(first)
    }

    /// The same, read as a `T`. An error that is a sentence about a field need not repeat its name.
    pub(crate) fn one<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr<Err: Display>,
    {
        self.text(name)?.map(|text| read(name, text)).transpose()
    }

    /// All values of a parameter that may be repeated.
    pub(crate) fn all<T>(&self, name: &str) -> Result<Vec<T>, Problem>
    where
        T: FromStr<Err: Display>,
    {
        self.values(name).map(|text| read(name, text)).collect()
    }

    /// A switch: there without a value, or `true`, or `false`.
    pub(crate) fn switch(&self, name: &str) -> Result<bool, Problem> {
        match self.text(name)? {
            None | Some("false") => Ok(false),
            Some("" | "true") => Ok(true),
            Some(_) => Err(Problem::invalid(name, "must be true or false")),
        }
    }

    /// How many, from 1 to `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, Problem> {
        match self.one::<usize>("limit")? {
            None => Ok(default),
            Some(limit) if (1..=max).contains(&limit) => Ok(limit),
            Some(limit) => {
                Err(Problem::invalid("limit", format!("is {limit}; it must be from 1 to {max}")))
            }
        }
    }

    /// Refuses those of `names` that are given, because of `why`.
    pub(crate) fn without(&self, names: &[&str], why: &str) -> Result<(), Problem> {
        match names.iter().find(|name| self.values(name).next().is_some()) {
            Some(name) => Err(Problem::invalid(*name, why)),
            None => Ok(()),
        }
    }

    fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

fn read<T: FromStr<Err: Display>>(name: &str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|error: T::Err| {
        let said = error.to_string();
        match said.strip_prefix(name) {
            Some(problem) => Problem::invalid(name, problem.trim_start()),
            None => Problem::invalid(name, format!("is {text:?}: {said}")),
        }
    })
}

/// Decodes a part of a query: `+` is a space and `%2B` a plus sign, as forms write it.
fn decode(part: &str) -> Result<String, Problem> {
    let spaced = part.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| not_utf8(part))
}

/// Refuses an address whose percent-encoding is broken or hides what is not UTF-8.
pub(crate) fn check_encoding(uri: &Uri) -> Result<(), Problem> {
    for part in [uri.path(), uri.query().unwrap_or_default()] {
        let mut rest = part;
        while let Some(at) = rest.find('%') {
            let code = rest.as_bytes().get(at + 1..at + 3);
            if !code.is_some_and(|code| code.iter().all(u8::is_ascii_hexdigit)) {
                let end = rest[at..].char_indices().nth(3).map_or(rest.len(), |(end, _)| at + end);
                let detail = format!(
                    "{:?} in the address is not percent-encoding; a percent sign is written %25",
                    &rest[at..end]
                );
                return Err(Problem::new(Kind::Malformed, detail));
            }
            rest = &rest[at + 3..];
        }
        percent_decode(part.as_bytes()).decode_utf8().map_err(|_| not_utf8(part))?;
    }
    Ok(())
}

fn not_utf8(part: &str) -> Problem {
    Problem::new(Kind::Malformed, format!("{part:?} in the address does not decode to UTF-8"))
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str) -> Parameters {
        let uri: Uri = format!("/x?{query}").parse().expect("a URI");
        Parameters::parse(&uri).expect("parameters")
    }

    fn said(problem: &Problem) -> String {
        problem.document()["detail"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn values_are_decoded_as_forms_write_them() {
        let given = parameters("tag=order%3A%23W1&tag=a+b%2Bc&&system");
        assert_eq!(given.all::<String>("tag").expect("tags"), ["order:#W1", "a b+c"]);
        assert!(given.switch("system").expect("a switch"));
        assert_eq!(given.one::<u64>("after").expect("absent"), None);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_name() {
        let given = parameters("after=x&limit=0&stream=&up_to=1&up_to=2&system=maybe");
        let invalid = given.one::<u64>("after").expect_err("not a number");
        assert_eq!(said(&invalid), "after is \"x\": invalid digit found in string");
        assert_eq!(invalid.document()["field"], "after");
        let said_of = |problem: Problem| said(&problem);
        assert_eq!(
            given.limit(1, 9).map_err(said_of),
            Err("limit is 0; it must be from 1 to 9".into())
        );
        assert_eq!(
            given.one::<factum_store::StreamName>("stream").map_err(said_of),
            Err("stream is empty; it needs at least one character".into())
        );
        assert_eq!(
            given.one::<u64>("up_to").map_err(said_of),
            Err("up_to is given twice; give it once".into())
        );
        assert_eq!(
            given.switch("system").map_err(said_of),
            Err("system must be true or false".into())
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_there_are() {
        let refused =
            parameters("limt=3").check(&[Known::limit(9, 3, ""), Known::position("after", "")]);
        let refused = refused.expect_err("misspelt");
        assert_eq!(refused.kind, Kind::UnknownParameter);
        assert_eq!(said(&refused), "\"limt\" is not a parameter here; there are: limit, after");
    }

    #[test]
    fn broken_encoding_is_named() {
        for (address, part) in
            [("/a%", "\"%\""), ("/a%2", "\"%2\""), ("/a?b=%zz1", "\"%zz\""), ("/%ff", "\"/%ff\"")]
        {
            let uri: Uri = address.parse().expect("a URI");
            let problem = check_encoding(&uri).expect_err(address);
            assert!(said(&problem).starts_with(part), "{address}: {}", said(&problem));
        }
        assert!(check_encoding(&"/%23W1/%C3%A9?a=%25".parse().expect("a URI")).is_ok());
    }
}
