//! Just enough SQL to split a text into statements and to find the named parameters of each:
//! literals, quoted names and comments are stepped over, nothing is understood.

/// One statement and the names of its parameters, each once, without the colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SqlStatement {
    pub(crate) text: &'static str,
    pub(crate) parameters: Vec<&'static str>,
}

/// The statements of a text, in order. Semicolons part them; empty ones are left out.
pub(crate) fn statements(sql: &'static str) -> Vec<SqlStatement> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut parameters = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let end = token_end(sql, at);
        let token = &sql[at..end];
        if token == ";" {
            push(&mut all, &sql[start..at], std::mem::take(&mut parameters));
            start = end;
        } else if let Some(name) = token.strip_prefix(':')
            && !matches!(name, "" | ":")
            && !parameters.contains(&name)
        {
            parameters.push(name);
        }
        at = end;
    }
    push(&mut all, &sql[start..], parameters);
    all
}

fn push(all: &mut Vec<SqlStatement>, text: &'static str, parameters: Vec<&'static str>) {
    let text = text.trim();
    if !is_blank(text) {
        all.push(SqlStatement { text, parameters });
    }
}

/// Whether there is nothing but comments and spaces.
fn is_blank(text: &str) -> bool {
    let mut at = 0;
    while at < text.len() {
        let end = token_end(text, at);
        let token = &text[at..end];
        let comment = token.starts_with("--") || token.starts_with("/*");
        if !comment && !token.trim().is_empty() {
            return false;
        }
        at = end;
    }
    true
}

/// Where the token that begins at `at` ends: a literal, a quoted name, a comment, a parameter, or
/// one character.
fn token_end(sql: &str, at: usize) -> usize {
    let rest = &sql[at..];
    let length = match rest.as_bytes() {
        [quote @ (b'\'' | b'"' | b'`'), ..] => quoted(rest, *quote as char),
        [b'[', ..] => rest.find(']').map_or(rest.len(), |end| end + 1),
        [b'-', b'-', ..] => rest.find('\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => rest[2..].find("*/").map_or(rest.len(), |end| end + 4),
        // A cast of PostgreSQL, `x::text`, is no parameter.
        [b':', b':', ..] => 2,
        [b':', ..] => 1 + word(&rest[1..]),
        _ => rest.chars().next().map_or(1, char::len_utf8),
    };
    at + length
}

/// The length of a literal. A doubled quote inside it reads as two literals, which is as good.
fn quoted(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &'static str, expected: &[(&str, &[&str])]) {
        let found = statements(sql);
        let found: Vec<_> = found.iter().map(|s| (s.text, s.parameters.as_slice())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn semicolons_part_statements() {
        check("a :x; b :y, :x, :y;", &[("a :x", &["x"]), ("b :y, :x, :y", &["y", "x"])]);
        check(" ; -- nothing ; here\n ; /* nor : here; */ ", &[]);
    }

    #[test]
    fn literals_names_and_comments_are_stepped_over() {
        check(
            "a ':no;' \":no;\" [:no;] `:no;` :yes",
            &[("a ':no;' \":no;\" [:no;] `:no;` :yes", &["yes"])],
        );
        check("a 'it''s ;:no' :b -- ; :no\n:c", &[("a 'it''s ;:no' :b -- ; :no\n:c", &["b", "c"])]);
        check("a '…' /* ;:no */ :ä", &[("a '…' /* ;:no */ :ä", &[])]);
        check("a::text :b", &[("a::text :b", &["b"])]);
        check("a /*/ :no */ :b", &[("a /*/ :no */ :b", &["b"])]);
        check("unclosed ' :no ;", &[("unclosed ' :no ;", &[])]);
    }

    /// Every text of up to four of the letters that mean something: nothing panics, and no
    /// statement is blank or has a `;` that is not inside something.
    #[test]
    fn any_text_is_taken_apart() {
        let letters = ["'", "\"", "[", "]", "-", "/", "*", ":", ";", "a", "\n", "ä"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            let longer =
                texts.iter().flat_map(|text| letters.map(|letter| format!("{text}{letter}")));
            texts = longer.collect();
            for text in &texts {
                for statement in statements(text.clone().leak()) {
                    assert!(!is_blank(statement.text), "{text:?}");
                    let again = statements(statement.text);
                    assert_eq!(again, std::slice::from_ref(&statement), "{text:?}");
                }
            }
        }
    }
}
