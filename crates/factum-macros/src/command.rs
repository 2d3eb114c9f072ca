//! `#[derive(Command)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, LitStr};

use crate::{
    fields::{self, NamedField},
    source,
};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let fields = fields::of_struct(input, "command")?;
    let serde = fields::serde_code(name, &fields, &quote!(#[serde(deny_unknown_fields)]));
    let command = match input.attrs.iter().find(|a| a.path().is_ident("command")) {
        Some(attribute) => attribute.parse_args::<LitStr>()?,
        None => LitStr::new(&source::snake_case(&name.to_string()), name.span()),
    };
    let fields = fields.iter().map(NamedField::model);
    Ok(quote! {
        const _: () = {
            #serde

            impl ::factum::__private::Command for #name {
                const MODEL: ::factum::__private::CommandModel =
                    ::factum::__private::CommandModel { name: #command, fields: &[#(#fields),*] };
            }
        };
    })
}
