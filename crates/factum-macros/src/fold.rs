//! `#[fold]`.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{
    Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, LitInt, LitStr, ReceiverKind, ReturnType,
    Token, Type,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use crate::source;

/// What stands in `#[fold(…)]`.
struct Options {
    by: Type,
    version: Option<LitInt>,
    name: Option<LitStr>,
    snapshot: bool,
}

impl Parse for Options {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (mut by, mut version, mut name, mut snapshot) = (None, None, None, false);
        while !input.is_empty() {
            let option: Ident = input.parse()?;
            if option == "snapshot" {
                snapshot = true;
            } else {
                input.parse::<Token![=]>()?;
                match option.to_string().as_str() {
                    "by" => by = Some(input.parse()?),
                    "version" => version = Some(input.parse()?),
                    "name" => name = Some(input.parse()?),
                    _ => {
                        let known = "known are `by = SomeId`, `version = 1`, `name = \"name\"` and `snapshot`";
                        let problem = format!("`{option}` is not known here; {known}");
                        return Err(Error::new(option.span(), problem));
                    }
                }
            }
            if input.parse::<Option<Token![,]>>()?.is_none() && !input.is_empty() {
                return Err(input.error("a comma is expected here"));
            }
        }
        let Some(by) = by else {
            let problem = "what is the fold keyed by? write `#[fold(by = SomeId)]`, `by = (A, B)` for events that carry both ids, or `by = ()` for all events";
            return Err(Error::new(Span::call_site(), problem));
        };
        Ok(Self { by, version, name, snapshot })
    }
}

/// A method that heeds an event.
struct Heeding<'a> {
    method: &'a Ident,
    event: &'a Type,
    /// Whether it also takes the recorded event.
    recorded: bool,
}

pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    let item: ItemImpl = syn::parse2(item)?;
    let written = syn::parse2(attribute).and_then(|options| written(&options, &item));
    // The item stays in any case, so that a mistake is the only thing that the compiler reports.
    let written = written.unwrap_or_else(|e| e.into_compile_error());
    Ok(quote!(#item #written))
}

fn written(options: &Options, item: &ItemImpl) -> syn::Result<TokenStream> {
    if let Some((path, _)) = &item.trait_ {
        let problem = "`#[fold]` stands on the `impl` block of a type, not of a trait";
        return Err(Error::new(path.span(), problem));
    }
    if !item.generics.params.is_empty() {
        let problem = "a fold can't have generic parameters: its state has one shape";
        return Err(Error::new(item.generics.span(), problem));
    }
    let heeding = heeding(item)?;
    let Options { by, version, .. } = options;
    let state = &item.self_ty;
    let version = version.as_ref().map_or(quote!(1), |version| quote!(#version));
    let name = fold_name(options, state)?;
    let code = source::text(item);
    let events: Vec<_> = heeding.iter().map(|heeding| heeding.event).collect();
    let carries = events.iter().map(|event| {
        quote_spanned!(event.span()=>
            const _: () = ::factum::__private::carries::<#event, #state, #by>();)
    });
    let applies = heeding.iter().map(apply);
    let snapshot = options.snapshot.then(|| snapshot_code(state));
    Ok(quote! {
        #(#carries)*

        impl ::factum::__private::Fold for #state {
            type By = #by;
            const NAME: &'static str = #name;
            const VERSION: u32 = #version;
            const CODE: u64 = ::factum::__private::Fingerprint::new().text(#code).finish();
            const HEEDS: &'static [::factum::__private::EventModel] =
                &[#(<#events as ::factum::__private::Event>::MODEL),*];

            fn apply(
                &mut self,
                __event: &::factum::__private::RecordedEvent,
            ) -> ::core::result::Result<(), ::factum::__private::ApplyError> {
                #(#applies)*
                ::core::result::Result::Ok(())
            }

            #snapshot
        }
    })
}

fn fold_name(options: &Options, state: &Type) -> syn::Result<LitStr> {
    if let Some(name) = &options.name {
        return Ok(name.clone());
    }
    let Type::Path(path) = state else {
        return Err(Error::new(state.span(), "a fold is a struct or an enum"));
    };
    let last = path.path.segments.last().map(|segment| segment.ident.to_string());
    Ok(LitStr::new(&source::snake_case(&last.unwrap_or_default()), state.span()))
}

fn heeding(item: &ItemImpl) -> syn::Result<Vec<Heeding<'_>>> {
    let mut found = Vec::new();
    for member in &item.items {
        if let ImplItem::Fn(method) = member
            && let Some(heeding) = heeding_method(method)?
        {
            found.push(heeding);
        }
    }
    if found.is_empty() {
        let problem = "this fold heeds no event; add a method for each: `fn happened(&mut self, e: &SomethingHappened) { … }`";
        return Err(Error::new(item.self_ty.span(), problem));
    }
    Ok(found)
}

/// The event that a method heeds: `fn x(&mut self, e: &E)`, maybe with `at: &RecordedEvent`.
fn heeding_method(method: &ImplItemFn) -> syn::Result<Option<Heeding<'_>>> {
    let signature = &method.sig;
    let receiver = signature.receiver().map(|receiver| &receiver.kind);
    let mutates = matches!(receiver, Some(ReceiverKind::Reference(_, _, Some(_))));
    let silent = matches!(signature.output, ReturnType::Default);
    let arguments = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some(&*argument.ty),
        FnArg::Receiver(_) => None,
    });
    let borrowed: Option<Vec<_>> = arguments.map(shared_reference).collect();
    let Some(borrowed) = borrowed.filter(|_| mutates && silent) else { return Ok(None) };
    let method = &signature.ident;
    match borrowed.as_slice() {
        [event] => Ok(Some(Heeding { method, event, recorded: false })),
        [event, recorded] if is_recorded_event(recorded) => {
            Ok(Some(Heeding { method, event, recorded: true }))
        }
        [_, second, ..] => {
            let problem = format!(
                "`{method}` takes two events, but a method of a fold heeds one; write a method for each, or move it into an `impl` block of its own if it is no such method"
            );
            Err(Error::new(second.span(), problem))
        }
        [] => Ok(None),
    }
}

fn shared_reference(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => Some(&reference.elem),
        _ => None,
    }
}

fn is_recorded_event(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "RecordedEvent")
}

fn apply(heeding: &Heeding<'_>) -> TokenStream {
    let Heeding { method, event, recorded } = heeding;
    let recorded = recorded.then(|| quote!(, __event));
    quote! {
        if let ::core::option::Option::Some(__read) =
            ::factum::__private::read_for::<Self, #event>(__event)?
        {
            self.#method(&__read #recorded);
        }
    }
}

fn snapshot_code(state: &Type) -> TokenStream {
    quote_spanned! {state.span()=>
        fn to_snapshot(&self) -> ::core::option::Option<::std::vec::Vec<u8>> {
            ::factum::__private::serde_json::to_vec(self).ok()
        }

        fn from_snapshot(bytes: &[u8]) -> ::core::option::Option<Self> {
            ::factum::__private::serde_json::from_slice(bytes).ok()
        }
    }
}
