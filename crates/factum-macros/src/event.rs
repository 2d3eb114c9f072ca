//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{
    DeriveInput, Error, Ident, LitInt, LitStr, Path, Token, Type,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use crate::{
    fields::{self, NamedField},
    source,
};

/// What stands in `#[event(…)]`.
struct Options {
    event_type: LitStr,
    version: Option<LitInt>,
    from: Option<Path>,
    upcast: Option<Path>,
    stream: Option<LitStr>,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let event_type = input.parse()?;
        let mut options =
            Self { event_type, version: None, from: None, upcast: None, stream: None };
        while input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let name: Ident = input.parse()?;
            input.parse::<Token![=]>()?;
            match name.to_string().as_str() {
                "version" => options.version = Some(input.parse()?),
                "from" => options.from = Some(input.parse()?),
                "upcast" => options.upcast = Some(input.parse()?),
                "stream" => options.stream = Some(input.parse()?),
                _ => {
                    let known = "known are `version = 2`, `from = Older`, `upcast = function` and `stream = \"category\"`";
                    return Err(Error::new(
                        name.span(),
                        format!("`{name}` is not known here; {known}"),
                    ));
                }
            }
        }
        if let (Some(from), Some(_)) = (&options.from, &options.upcast) {
            let problem = "`from` and `upcast` are two ways to read older versions; take one";
            return Err(Error::new(from.span(), problem));
        }
        if options.from.is_some() || options.upcast.is_some() {
            let version = options.version.as_ref().map_or(Ok(1), |v| v.base10_parse::<u32>())?;
            if version < 2 {
                let problem = "there is no version before version 1; add `version = 2`";
                return Err(Error::new(options.event_type.span(), problem));
            }
        }
        Ok(options)
    }
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let Some(attribute) = input.attrs.iter().find(|a| a.path().is_ident("event")) else {
        let suggestion = source::snake_case(&name.to_string()).replacen('_', ".", 1);
        let problem = format!("`{name}` has no type; add `#[event(\"thing.{suggestion}\")]`");
        return Err(Error::new(name.span(), problem));
    };
    let options: Options = attribute.parse_args()?;
    let fields = fields::of_struct(input, "event")?;
    let serde = fields::serde_code(name, &fields, &TokenStream::new());
    let event = implementation(name, &options, &fields)?;
    let carries = carried(&fields)
        .into_iter()
        .map(|id| quote_spanned!(id.span()=> impl ::factum::__private::Carries<#id> for #name {}));
    // A constant of a trait is looked at only where it is used; its mistakes are to be seen here.
    let checked = quote_spanned!(options.event_type.span()=>
        const _: ::factum::__private::EventModel =
            <#name as ::factum::__private::Event>::MODEL;);
    Ok(quote!(const _: () = { #serde #event #(#carries)* #checked };))
}

fn implementation(
    name: &Ident,
    options: &Options,
    fields: &[NamedField<'_>],
) -> syn::Result<TokenStream> {
    let model = model(options, fields);
    let stream = stream(options, fields)?;
    let decode = decode(options);
    let tags = fields.iter().filter(|field| field.tag).map(|field| {
        let NamedField { ident, ty, .. } = field;
        quote_spanned!(ty.span()=>
            <#ty as ::factum::__private::TagField>::add_to(&self.#ident, &mut tags);)
    });
    Ok(quote! {
        impl ::factum::__private::Event for #name {
            const MODEL: ::factum::__private::EventModel = #model;

            fn tags(&self) -> ::std::vec::Vec<::factum::__private::Tag> {
                #[allow(unused_mut)]
                let mut tags = ::std::vec::Vec::new();
                #(#tags)*
                tags
            }

            #stream
            #decode
        }
    })
}

fn model(options: &Options, fields: &[NamedField<'_>]) -> TokenStream {
    let Options { event_type, version, from, .. } = options;
    let version = version.as_ref().map_or(quote!(1), |version| quote!(#version));
    let fields = fields.iter().map(NamedField::model);
    let older = from.as_ref().map(
        |from| quote_spanned!(from.span()=> .after(&<#from as ::factum::__private::Event>::MODEL)),
    );
    quote_spanned!(event_type.span()=>
        ::factum::__private::EventModel::new(#event_type, #version, &[#(#fields),*]) #older)
}

/// The id types of the `#[tag]` fields, each once.
fn carried<'a>(fields: &'a [NamedField<'_>]) -> Vec<&'a Type> {
    let mut ids: Vec<&Type> = Vec::new();
    for field in fields.iter().filter(|field| field.tag) {
        let id = fields::inner(field.ty, &["Option", "Vec", "BTreeSet"]).unwrap_or(field.ty);
        if ids.iter().all(|known| source::text(known) != source::text(id)) {
            ids.push(id);
        }
    }
    ids
}

fn stream(options: &Options, fields: &[NamedField<'_>]) -> syn::Result<Option<TokenStream>> {
    let marked: Vec<_> = fields.iter().filter(|field| field.stream).collect();
    let tagged: Vec<_> = fields.iter().filter(|field| field.tag).collect();
    let field = match (marked.as_slice(), &options.stream, tagged.as_slice()) {
        ([], None, _) => return Ok(None),
        ([field], _, _) | ([], Some(_), [field]) => field,
        ([], Some(category), _) => {
            let problem = "which field names the stream? mark it with `#[stream]`";
            return Err(Error::new(category.span(), problem));
        }
        ([_, second, ..], _, _) => {
            let problem = "an event is in one stream; take the second `#[stream]` out";
            return Err(Error::new(second.ident.span(), problem));
        }
    };
    let NamedField { ident, ty, .. } = field;
    let category = match &options.stream {
        Some(category) => quote!(#category),
        None => quote!(<#ty as ::factum::__private::Id>::KIND),
    };
    Ok(Some(quote_spanned!(ty.span()=>
        fn stream(&self) -> ::core::option::Option<::factum::__private::StreamName> {
            const { ::factum::__private::check_kind(#category) };
            ::core::option::Option::Some(
                ::factum::__private::stream_of::<#ty>(#category, &self.#ident))
        }
    )))
}

fn decode(options: &Options) -> Option<TokenStream> {
    let body = match (&options.from, &options.upcast) {
        (Some(older), _) => quote_spanned! {older.span()=>
            if version <= <#older as ::factum::__private::Event>::VERSION {
                return <#older as ::factum::__private::Event>::decode(version, data)
                    .map(<Self as ::core::convert::From<#older>>::from);
            }
            ::factum::__private::decode_json(version, data)
        },
        (None, Some(upcast)) => quote_spanned! {upcast.span()=>
            ::factum::__private::decode_upcast(version, data, #upcast)
        },
        (None, None) => return None,
    };
    Some(quote! {
        fn decode(
            version: u32,
            data: &[u8],
        ) -> ::core::result::Result<Self, ::factum::__private::DecodeError> {
            #body
        }
    })
}
