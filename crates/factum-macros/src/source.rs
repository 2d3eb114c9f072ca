//! Source as text: the same for the same tokens, whatever the compiler's spacing, and without
//! comments. It goes into models and digests.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// The tokens as text.
pub(crate) fn text(tokens: &impl ToTokens) -> String {
    let mut text = String::new();
    write(tokens.to_token_stream(), &mut text);
    text
}

fn write(tokens: TokenStream, text: &mut String) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' && is_doc(tokens.peek()) => {
                tokens.next();
            }
            TokenTree::Punct(mark) => {
                text.push(mark.as_char());
                if mark.as_char() == ',' && tokens.peek().is_some() {
                    text.push(' ');
                }
            }
            TokenTree::Ident(word) => push_word(text, &word.to_string()),
            TokenTree::Literal(literal) => push_word(text, &literal.to_string()),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                text.push_str(open);
                write(group.stream(), text);
                text.push_str(close);
            }
        }
    }
}

/// A word, parted from a word before it.
fn push_word(text: &mut String, word: &str) {
    if text.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"') {
        text.push(' ');
    }
    text.push_str(word);
}

fn is_doc(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc")
}

/// `NotOpen` as `not_open`.
pub(crate) fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (i, letter) in letters.iter().enumerate() {
        let after_lower = i > 0 && !letters[i - 1].is_uppercase() && letters[i - 1] != '_';
        let before_lower = i > 0
            && letters[i - 1] != '_'
            && letters.get(i + 1).is_some_and(|next| next.is_lowercase());
        if letter.is_uppercase() && (after_lower || before_lower) {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_snake_case() {
        let cases = [
            ("Transfer", "transfer"),
            ("CancelPendingOrder", "cancel_pending_order"),
            ("HTTPRoute", "http_route"),
            ("Opened2", "opened2"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake_case(name), expected);
        }
    }

    #[test]
    fn text_has_no_comments_and_no_spacing_of_its_own() {
        let tokens: TokenStream = "/// said\n Vec < ( A , B ) > & 'a   mut x".parse().unwrap();
        assert_eq!(text(&tokens), "Vec<(A, B)>&'a mut x");
    }
}
