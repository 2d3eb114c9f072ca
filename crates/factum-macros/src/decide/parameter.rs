//! A decider's parameter, and the `#[by(…)]` that says which state it is.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{
    Error, Expr, Ident, Member, Pat, PatType, Path, Token, Type, UnOp, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
    spanned::Spanned,
    visit::Visit,
};

use crate::source;

pub(super) struct Parameter<'a> {
    pub(super) name: Ident,
    state: &'a Type,
    by: By,
}

/// What stands in `#[by(…)]`.
struct By {
    key: Expr,
    ignoring: Vec<Path>,
}

impl Parse for By {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.parse()?;
        let mut ignoring = Vec::new();
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let option: Ident = input.parse()?;
            if option != "ignoring" {
                let problem = format!(
                    "`{option}` is not known here; known is `ignoring(SomeEvent, …)`. A pair of ids has parentheses of its own: `#[by((c.a, c.b))]`"
                );
                return Err(Error::new(option.span(), problem));
            }
            let types;
            parenthesized!(types in input);
            ignoring.extend(Punctuated::<Path, Token![,]>::parse_terminated(&types)?);
        }
        if input.is_empty() { Ok(Self { key, ignoring }) } else { Err(input.error("unexpected")) }
    }
}

pub(super) fn parse<'a>(
    decider: &Ident,
    command: &Ident,
    input: &'a PatType,
) -> syn::Result<Parameter<'a>> {
    let Pat::Ident(name) = &*input.pat else {
        let problem = "a parameter of a decider has a plain name";
        return Err(Error::new(input.pat.span(), problem));
    };
    let name = name.ident.clone();
    let Some(by) = input.attrs.iter().find(|attribute| attribute.path().is_ident("by")) else {
        let problem = format!(
            "which one does `{decider}` read into `{name}`? write `#[by({command}.field)] {name}: …` with the field of the command that holds its id"
        );
        return Err(Error::new(name.span(), problem));
    };
    let by = by.parse_args()?;
    match &*input.ty {
        Type::Reference(reference) if reference.mutability.is_none() => {
            Ok(Parameter { name, state: &reference.elem, by })
        }
        ty => {
            let state = source::text(ty);
            let problem = format!(
                "`{name}` is only read: write `{name}: &{}`",
                state.trim_start_matches("&mut ")
            );
            Err(Error::new(ty.span(), problem))
        }
    }
}

impl Parameter<'_> {
    /// Whether the key names `other`.
    pub(super) fn names(&self, other: &Ident) -> bool {
        let mut mentions = Mentions { name: other, found: false };
        mentions.visit_expr(&self.by.key);
        mentions.found
    }

    /// `let __asked_from = …`: a state, or `Pending`.
    pub(super) fn ask(&self) -> TokenStream {
        let Self { state, by, .. } = self;
        let asked = hidden("asked", &self.name);
        let key = key(&by.key);
        let ignoring = &by.ignoring;
        quote_spanned! {by.key.span()=>
            let #asked = <#state as ::factum::__private::Read<_>>::read(
                __reads,
                #key,
                &[#(<#ignoring as ::factum::__private::Event>::TYPE),*],
            );
        }
    }

    /// `let from: &Account = …`, once it is there.
    pub(super) fn hold(&self) -> TokenStream {
        let Self { name, state, .. } = self;
        let asked = hidden("asked", name);
        let held = hidden("held", name);
        quote! {
            let #held = #asked?;
            let #name: &#state = &#held;
        }
    }

    /// The parameter as a `ReadModel`.
    pub(super) fn model(&self) -> TokenStream {
        let Self { name, state, by } = self;
        let name = name.to_string();
        let key = source::text(&by.key);
        let ignoring = &by.ignoring;
        quote! {
            ::factum::__private::read_model::<#state>(
                #name,
                #key,
                &[#(<#ignoring as ::factum::__private::Event>::TYPE),*],
            )
        }
    }

    /// That the fields of the command that the key names are there, and that the fold heeds what
    /// is ignored; each with a message that says what to do.
    pub(super) fn checks(&self, decider: &Ident, command: &Ident, ty: &Type) -> TokenStream {
        let mut fields = FieldsOf { owner: command, found: Vec::new() };
        fields.visit_expr(&self.by.key);
        let decider = decider.to_string();
        let owner = command.to_string();
        let type_text = source::text(ty);
        let fields = fields.found.iter().map(|field| {
            let name = field.to_string();
            quote_spanned!(field.span()=> const _: () =
                ::factum::__private::check_by::<#ty>(#decider, #owner, #type_text, #name);)
        });
        let state = self.state;
        let ignoring = self.by.ignoring.iter().map(|event| {
            let problem = format!(
                "`{}` does not heed `{}`, so there is nothing to ignore; take it out of `ignoring(…)`",
                source::text(state),
                source::text(event)
            );
            quote_spanned!(event.span()=> const _: () =
                ::core::assert!(::factum::__private::heeds::<#state, #event>(), #problem);)
        });
        quote!(#(#fields)* #(#ignoring)*)
    }
}

/// The key as it is handed in: places by reference, so that nothing is moved out of the command;
/// the ids of a pair as clones; anything else as it stands.
fn key(expression: &Expr) -> TokenStream {
    match expression {
        Expr::Paren(inner) => key(&inner.expr),
        Expr::Field(_) | Expr::Path(_) | Expr::Index(_) => quote!(&(#expression)),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => quote!(&(#expression)),
        Expr::Tuple(tuple) => {
            let parts = tuple
                .elems
                .iter()
                .map(|part| quote_spanned!(part.span()=> ::core::clone::Clone::clone(&(#part))));
            quote!((#(#parts),*))
        }
        other => other.to_token_stream(),
    }
}

/// Whether an expression names a local variable.
struct Mentions<'a> {
    name: &'a Ident,
    found: bool,
}

impl<'ast> Visit<'ast> for Mentions<'_> {
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        self.found |= path.path.is_ident(self.name);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.found |= in_tokens(call.tokens.clone(), self.name);
    }
}

fn in_tokens(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => in_tokens(group.stream(), name),
        _ => false,
    })
}

/// The fields of `owner` that an expression names.
struct FieldsOf<'a> {
    owner: &'a Ident,
    found: Vec<Ident>,
}

impl<'ast> Visit<'ast> for FieldsOf<'_> {
    fn visit_expr_field(&mut self, field: &'ast syn::ExprField) {
        if let (Expr::Path(base), Member::Named(name)) = (&*field.base, &field.member)
            && base.path.is_ident(self.owner)
        {
            self.found.push(name.clone());
        }
        syn::visit::visit_expr_field(self, field);
    }
}

/// A name of ours for a parameter. An unused parameter begins with `_`, which must not show.
fn hidden(what: &str, parameter: &syn::Ident) -> syn::Ident {
    let name = parameter.to_string();
    format_ident!("__{what}_{}", name.trim_start_matches('_'))
}
