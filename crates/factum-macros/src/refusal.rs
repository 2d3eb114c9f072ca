//! `#[derive(Refusal)]`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Data, DeriveInput, Error, Fields, Ident, LitStr, Member, Type, Variant, spanned::Spanned,
};

use crate::source;

/// One way to refuse.
struct No<'a> {
    ident: &'a Ident,
    code: LitStr,
    say: LitStr,
    fields: Vec<NoField<'a>>,
    named: bool,
}

struct NoField<'a> {
    member: Member,
    /// What the field is bound to in patterns.
    local: Ident,
    /// Its name in JSON.
    key: String,
    ty: &'a Type,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        let problem = format!("`{name}` must be an enum, with one variant for each way to refuse");
        return Err(Error::new(name.span(), problem));
    };
    if !input.generics.params.is_empty() {
        let problem = format!("`{name}` has generic parameters, which a refusal can't have");
        return Err(Error::new(input.generics.span(), problem));
    }
    let nos = data.variants.iter().map(no).collect::<syn::Result<Vec<_>>>()?;
    let display = display(name, &nos);
    let refusal = refusal(name, &nos);
    Ok(quote!(#display #refusal))
}

fn no(variant: &Variant) -> syn::Result<No<'_>> {
    let ident = &variant.ident;
    let text = |name: &str| {
        let attribute = variant.attrs.iter().find(|a| a.path().is_ident(name));
        attribute.map(|attribute| attribute.parse_args::<LitStr>()).transpose()
    };
    let Some(say) = text("say")? else {
        let problem = format!("`{ident}` has no sentence; add `#[say(\"why it is refused\")]`");
        return Err(Error::new(ident.span(), problem));
    };
    let code = text("code")?
        .unwrap_or_else(|| LitStr::new(&source::snake_case(&ident.to_string()), ident.span()));
    let fields = variant.fields.members().zip(&variant.fields).map(|(member, field)| {
        let (local, key) = match &member {
            Member::Named(name) => {
                (name.clone(), name.to_string().trim_start_matches("r#").to_owned())
            }
            Member::Unnamed(index) => (format_ident!("__{}", index.index), index.index.to_string()),
        };
        NoField { member, local, key, ty: &field.ty }
    });
    let named = matches!(variant.fields, Fields::Named(_));
    Ok(No { ident, code, fields: fields.collect(), say, named })
}

impl No<'_> {
    /// `No::Short { have }`, as a pattern and as an expression.
    fn shape(&self, name: &Ident) -> TokenStream {
        let Self { ident, fields, named, .. } = self;
        let locals = fields.iter().map(|field| &field.local);
        let members = fields.iter().map(|field| &field.member);
        match named {
            true => quote!(#name::#ident { #(#locals),* }),
            false => quote!(#name::#ident { #(#members: #locals),* }),
        }
    }

    /// The sentence with `{0}` as `{__0}`, the name that the field is bound to.
    fn format(&self) -> LitStr {
        let text = self.say.value();
        if self.named {
            return self.say.clone();
        }
        let mut format = String::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            format.push(letter);
            match (letter, letters.peek()) {
                ('{', Some('{')) => format.extend(letters.next()),
                ('{', Some(next)) if next.is_ascii_digit() => format.push_str("__"),
                _ => {}
            }
        }
        LitStr::new(&format, self.say.span())
    }
}

fn display(name: &Ident, nos: &[No<'_>]) -> TokenStream {
    let arms = nos.iter().map(|no| {
        let shape = no.shape(name);
        let format = no.format();
        quote_spanned!(no.say.span()=> #shape => ::core::write!(__f, #format))
    });
    let body =
        if nos.is_empty() { quote!(match *self {}) } else { quote!(match self { #(#arms),* }) };
    quote! {
        impl ::core::fmt::Display for #name {
            #[allow(unused_variables)]
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                #body
            }
        }
    }
}

fn refusal(name: &Ident, nos: &[No<'_>]) -> TokenStream {
    let codes = nos.iter().map(|No { ident, code, .. }| quote!(#name::#ident { .. } => #code));
    let data = nos.iter().map(|no| data(name, no));
    let restored = nos.iter().map(|no| restored(name, no));
    let models = nos.iter().map(model);
    let subject = if nos.is_empty() { quote!(*self) } else { quote!(self) };
    quote! {
        impl ::factum::__private::Refusal for #name {
            fn code(&self) -> &'static str {
                match #subject { #(#codes),* }
            }

            fn data(&self) -> ::factum::__private::serde_json::Value {
                match #subject { #(#data),* }
            }

            fn from_parts(
                code: &str,
                data: &::factum::__private::serde_json::Value,
            ) -> ::core::option::Option<Self> {
                match code {
                    #(#restored,)*
                    _ => ::core::option::Option::None,
                }
            }

            fn catalogue() -> ::std::vec::Vec<::factum::__private::RefusalModel> {
                ::std::vec![#(#models),*]
            }
        }
    }
}

fn data(name: &Ident, no: &No<'_>) -> TokenStream {
    let shape = no.shape(name);
    if no.fields.is_empty() {
        return quote!(#shape => ::factum::__private::serde_json::Value::Null);
    }
    let pairs = no.fields.iter().map(|NoField { local, key, ty, .. }| {
        quote_spanned!(ty.span()=> (#key, ::factum::__private::refusal_field(#local)))
    });
    quote!(#shape => ::factum::__private::refusal_data([#(#pairs),*]))
}

fn restored(name: &Ident, no: &No<'_>) -> TokenStream {
    let No { code, fields, .. } = no;
    let shape = no.shape(name);
    let reads = fields.iter().map(|NoField { local, key, ty, .. }| {
        quote_spanned!(ty.span()=>
            let #local: #ty = ::factum::__private::read_refusal_field(data, #key)?;)
    });
    quote!(#code => { #(#reads)* ::core::option::Option::Some(#shape) })
}

fn model(no: &No<'_>) -> TokenStream {
    let No { code, say, fields, .. } = no;
    let fields = fields.iter().map(|NoField { key, ty, .. }| {
        let rust_type = source::text(ty);
        quote!(::factum::__private::FieldModel::new(#key, #rust_type))
    });
    quote! {
        ::factum::__private::RefusalModel {
            code: #code,
            say: #say,
            fields: const { &[#(#fields),*] },
        }
    }
}
