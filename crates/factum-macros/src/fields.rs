//! The named fields of an event, a command or a refusal, and the serde code for them.
//!
//! Users need no serde of their own: a shadow struct, hidden in a block, derives the code through
//! `#[serde(remote = …)]`, so every `#[serde(…)]` on a field works as usual.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, GenericArgument, Ident, Lit,
    LitStr, Meta, PathArguments, Token, Type, punctuated::Punctuated, spanned::Spanned,
};

use crate::source;

/// One field, with what is said about it.
pub(crate) struct NamedField<'a> {
    pub(crate) ident: &'a Ident,
    pub(crate) ty: &'a Type,
    pub(crate) tag: bool,
    pub(crate) stream: bool,
    personal: bool,
    serde: Vec<&'a Attribute>,
}

/// The fields of a struct. `what` is `event` or `command`, for the messages.
pub(crate) fn of_struct<'a>(
    input: &'a DeriveInput,
    what: &str,
) -> syn::Result<Vec<NamedField<'a>>> {
    if !input.generics.params.is_empty() {
        let problem = format!(
            "`{}` has generic parameters, which an {what} can't have: what is kept has one shape; write one struct for each",
            input.ident
        );
        return Err(Error::new(input.generics.span(), problem));
    }
    if let Some(attribute) = input.attrs.iter().find(|a| a.path().is_ident("serde")) {
        let problem = "`#[serde(…)]` goes on the fields here, not on the struct";
        return Err(Error::new(attribute.span(), problem));
    }
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(named) => Some(&named.named),
            _ => None,
        },
        _ => None,
    };
    let Some(named) = named else {
        let name = &input.ident;
        let problem = format!(
            "`{name}` must be a struct with named fields: `struct {name} {{ … }}`, or `struct {name} {{}}` without any"
        );
        return Err(Error::new(name.span(), problem));
    };
    named.iter().map(named_field).collect()
}

fn named_field(field: &Field) -> syn::Result<NamedField<'_>> {
    let has = |name| field.attrs.iter().any(|attribute| attribute.path().is_ident(name));
    let Some(ident) = &field.ident else {
        return Err(Error::new(field.span(), "this field needs a name"));
    };
    Ok(NamedField {
        ident,
        ty: &field.ty,
        tag: has("tag"),
        stream: has("stream"),
        personal: has("personal"),
        serde: field.attrs.iter().filter(|a| a.path().is_ident("serde")).collect(),
    })
}

impl NamedField<'_> {
    /// The field as a `FieldModel`.
    pub(crate) fn model(&self) -> TokenStream {
        let mut rust_type = source::text(self.ty);
        let rust_name = self.ident.to_string().trim_start_matches("r#").to_owned();
        let mut name = rust_name.clone();
        let mut optional = inner(self.ty, &["Option"]).is_some();
        for option in self.serde_options() {
            match &option {
                Meta::Path(path) if path.is_ident("default") => optional = true,
                Meta::NameValue(pair) if pair.path.is_ident("default") => optional = true,
                Meta::NameValue(pair) if pair.path.is_ident("rename") => match &pair.value {
                    Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => name = text.value(),
                    other => rust_type = format!("{rust_type} rename={}", source::text(other)),
                },
                other => rust_type = format!("{rust_type} {}", source::text(other)),
            }
        }
        let personal = self.personal;
        let ty = self.ty;
        let tag = if self.tag {
            quote!(::core::option::Option::Some(<#ty as ::factum::__private::TagField>::KIND))
        } else {
            quote!(::core::option::Option::None)
        };
        quote!(::factum::__private::FieldModel {
            name: #name,
            rust_name: #rust_name,
            rust_type: #rust_type,
            tag: #tag,
            personal: #personal,
            optional: #optional,
        })
    }

    fn serde_options(&self) -> Vec<Meta> {
        let lists = self.serde.iter().filter_map(|attribute| {
            attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()
        });
        lists.flatten().collect()
    }
}

/// `Serialize` and `Deserialize` for the struct. `options` are further serde attributes of it.
pub(crate) fn serde_code(
    name: &Ident,
    fields: &[NamedField<'_>],
    options: &TokenStream,
) -> TokenStream {
    let remote = LitStr::new(&name.to_string(), name.span());
    let members = fields.iter().map(|field| {
        let NamedField { ident, ty, serde, .. } = field;
        quote!(#(#serde)* #ident: #ty)
    });
    quote! {
        #[derive(::factum::__private::serde::Serialize, ::factum::__private::serde::Deserialize)]
        #[serde(crate = "::factum::__private::serde", remote = #remote)]
        #options
        #[allow(dead_code)]
        struct __Shadow { #(#members),* }

        impl ::factum::__private::serde::Serialize for #name {
            fn serialize<S: ::factum::__private::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                __Shadow::serialize(self, serializer)
            }
        }

        impl<'de> ::factum::__private::serde::Deserialize<'de> for #name {
            fn deserialize<D: ::factum::__private::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                __Shadow::deserialize(deserializer)
            }
        }
    }
}

/// `T` of `Option<T>`, when the type is one of `wrappers`.
pub(crate) fn inner<'a>(ty: &'a Type, wrappers: &[&str]) -> Option<&'a Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    let is_wrapper = wrappers.iter().any(|wrapper| last.ident == wrapper);
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if is_wrapper => Some(inner),
        _ => None,
    }
}
