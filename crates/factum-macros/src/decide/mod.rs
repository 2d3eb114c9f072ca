//! `#[decide]`.

mod emitted;
mod parameter;

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemFn, Pat, PatType, PathArguments, ReturnType,
    Signature, Type, parse_quote, spanned::Spanned,
};

use self::parameter::Parameter;

/// A decider, taken apart.
struct Decider<'a> {
    name: &'a Ident,
    /// What the command's parameter is called.
    command_name: Ident,
    command: &'a Type,
    parameters: Vec<Parameter<'a>>,
    emits: &'a Type,
    refusal: &'a Type,
}

pub(crate) fn expand(attribute: &TokenStream, item: TokenStream) -> syn::Result<TokenStream> {
    if !attribute.is_empty() {
        let problem = "`#[decide]` takes nothing; the parameters' `#[by(…)]` say what is read";
        return Err(Error::new(attribute.span(), problem));
    }
    let function: ItemFn = syn::parse2(item)?;
    let mut kept = without_by(function.clone());
    let decider = match decider(&function.sig) {
        Ok(decider) => decider,
        Err(problem) => return Ok(beside(&problem, &kept)),
    };
    let written = implementation(&decider);
    let emitted = emitted::check(decider.name, decider.emits, decider.refusal, &function.block);
    Ok(match emitted {
        Ok(()) => quote!(#kept #written),
        Err(problem) => {
            kept.block = parse_quote!({ ::core::unreachable!() });
            let kept = beside(&problem, &kept);
            quote!(#kept #written)
        }
    })
}

/// A problem beside the function, so that it is the only thing that the compiler reports.
fn beside(problem: &Error, function: &ItemFn) -> TokenStream {
    let problem = problem.to_compile_error();
    quote!(#problem #[allow(unused)] #function)
}

fn decider(signature: &Signature) -> syn::Result<Decider<'_>> {
    let name = &signature.ident;
    if let Some(asyncness) = &signature.asyncness {
        let problem =
            format!("`{name}` must not be `async`: a decision is a pure function of what it reads");
        return Err(Error::new(asyncness.span(), problem));
    }
    if !signature.generics.params.is_empty() {
        let problem = format!("`{name}` must not have generic parameters: it decides one command");
        return Err(Error::new(signature.generics.span(), problem));
    }
    let (emits, refusal) = outcome(signature)?;
    let mut inputs = signature.inputs.iter();
    let (command_name, command) = command(name, inputs.next(), signature)?;
    let parameters = inputs.map(|input| match input {
        FnArg::Typed(input) => parameter::parse(name, &command_name, input),
        FnArg::Receiver(receiver) => Err(Error::new(receiver.span(), "`self` can't be here")),
    });
    let parameters = parameters.collect::<syn::Result<_>>()?;
    Ok(Decider { name, command_name, command, parameters, emits, refusal })
}

fn command<'a>(
    decider: &Ident,
    input: Option<&'a FnArg>,
    signature: &Signature,
) -> syn::Result<(Ident, &'a Type)> {
    let problem = format!(
        "the first parameter of `{decider}` must be the command that it decides: `c: &SomeCommand`"
    );
    let Some(FnArg::Typed(PatType { pat, ty, attrs, .. })) = input else {
        return Err(Error::new(signature.paren_token.span.join(), problem));
    };
    if let Some(by) = attrs.iter().find(|attribute| attribute.path().is_ident("by")) {
        return Err(Error::new(by.span(), problem));
    }
    let Type::Reference(reference) = &**ty else { return Err(Error::new(ty.span(), problem)) };
    let name = match &**pat {
        Pat::Ident(name) => name.ident.clone(),
        Pat::Wild(_) => format_ident!("__command"),
        other => return Err(Error::new(other.span(), "name the command plainly: `c`")),
    };
    Ok((name, &reference.elem))
}

/// `E` and `R` of `-> Result<E, R>`.
fn outcome(signature: &Signature) -> syn::Result<(&Type, &Type)> {
    let name = &signature.ident;
    let problem = |span| {
        let problem = format!(
            "`{name}` must return `Result<events, refusal>`, spelt out: what it may emit (an event, or a tuple, `Option` or `Vec` of events) and how it may refuse (`Infallible` when it never does)"
        );
        Err(Error::new(span, problem))
    };
    let ReturnType::Type(_, ty) = &signature.output else { return problem(name.span()) };
    let Type::Path(path) = &**ty else { return problem(ty.span()) };
    let result = path.path.segments.last().filter(|last| last.ident == "Result");
    let Some(PathArguments::AngleBracketed(arguments)) = result.map(|last| &last.arguments) else {
        return problem(ty.span());
    };
    let mut types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    match (types.next(), types.next(), types.next()) {
        (Some(emits), Some(refusal), None) => Ok((emits, refusal)),
        _ => problem(ty.span()),
    }
}

fn without_by(mut function: ItemFn) -> ItemFn {
    for input in &mut function.sig.inputs {
        if let FnArg::Typed(input) = input {
            input.attrs.retain(|attribute| !attribute.path().is_ident("by"));
        }
    }
    function
}

fn implementation(decider: &Decider<'_>) -> TokenStream {
    let Decider { name, command_name, command, parameters, emits, refusal } = decider;
    let checks = parameters.iter().map(|parameter| parameter.checks(name, command_name, command));
    let reads = reads(parameters);
    let arguments = parameters.iter().map(|parameter| &parameter.name);
    let models = parameters.iter().map(Parameter::model);
    quote_spanned! {name.span()=>
        #(#checks)*

        impl ::factum::__private::Decide for #command {
            type Emits = #emits;
            type Refusal = #refusal;

            fn decide(
                &self,
                __reads: &mut ::factum::__private::Reads,
            ) -> ::core::result::Result<
                ::core::result::Result<Self::Emits, Self::Refusal>,
                ::factum::__private::Pending,
            > {
                let #command_name = self;
                #reads
                ::core::result::Result::Ok(#name(#command_name, #(#arguments),*))
            }

            fn model() -> ::factum::__private::DeciderModel {
                ::factum::__private::DeciderModel {
                    command: <Self as ::factum::__private::Command>::MODEL,
                    reads: ::std::vec![#(#models),*],
                    emits: <#emits as ::factum::__private::Emits>::catalogue(),
                    refusals: <#refusal as ::factum::__private::Refusal>::catalogue(),
                }
            }
        }
    }
}

/// Asks for every parameter before it waits for one, so that all that can be read at once is; a
/// key that names an earlier parameter waits for it.
fn reads(parameters: &[Parameter<'_>]) -> TokenStream {
    let mut code = TokenStream::new();
    let mut waiting: Vec<&Parameter<'_>> = Vec::new();
    for parameter in parameters {
        if waiting.iter().any(|earlier| parameter.names(&earlier.name)) {
            code.extend(waiting.drain(..).map(Parameter::hold));
        }
        code.extend(parameter.ask());
        waiting.push(parameter);
    }
    code.extend(waiting.into_iter().map(Parameter::hold));
    code
}
