//! That a decider emits only what its signature says, for the events that stand as literals in
//! what it returns. What can't be seen here is refused by the type system, in its own words.

use syn::{
    Block, Error, Expr, GenericArgument, Ident, PathArguments, Stmt, Token, Type,
    punctuated::Punctuated, visit::Visit,
};

use crate::source;

/// Looks at every `Ok(…)` that the function returns.
pub(super) fn check(
    decider: &Ident,
    emits: &Type,
    refusal: &Type,
    body: &Block,
) -> syn::Result<()> {
    let mut returned = Returned::default();
    returned.tail(body);
    returned.visit_block(body);
    let mut declared = Declared::default();
    declared.visit_type(emits);
    for outcome in returned.outcomes {
        // A lone name may stand for a tuple: `type Moves = (Withdrawn, Deposited);`.
        if matches!(emits, Type::Path(_)) && wrapped(emits).is_none() && is_tuple(outcome) {
            continue;
        }
        let mut events = Vec::new();
        literals(outcome, &mut events);
        if let Some(event) = events.iter().find(|event| !declared.names.contains(event)) {
            let more = with_event(emits, event);
            let refusal = source::text(refusal);
            let problem = format!(
                "`{decider}` emits `{event}`, which is not in its signature; write `-> Result<{more}, {refusal}>` or take it out"
            );
            return Err(Error::new(event.span(), problem));
        }
    }
    Ok(())
}

fn with_event(emits: &Type, event: &Ident) -> String {
    match emits {
        Type::Tuple(tuple) => {
            let mut parts: Vec<_> = tuple.elems.iter().map(source::text).collect();
            parts.push(event.to_string());
            if parts.len() == 1 { parts.remove(0) } else { format!("({})", parts.join(", ")) }
        }
        other => format!("({}, {event})", source::text(other)),
    }
}

fn is_tuple(expression: &Expr) -> bool {
    matches!(expression, Expr::Tuple(tuple) if !tuple.elems.is_empty())
}

/// `T` of `Option<T>` and the like.
fn wrapped(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

/// The names in a type.
#[derive(Default)]
struct Declared {
    names: Vec<Ident>,
}

impl<'ast> Visit<'ast> for Declared {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        self.names.push(segment.ident.clone());
        syn::visit::visit_path_segment(self, segment);
    }
}

/// What stands inside `Ok(…)` wherever the function returns.
#[derive(Default)]
struct Returned<'ast> {
    outcomes: Vec<&'ast Expr>,
}

impl<'ast> Returned<'ast> {
    fn tail(&mut self, block: &'ast Block) {
        if let Some(Stmt::Expr(expression, None)) = block.stmts.last() {
            self.expression(expression);
        }
    }

    fn expression(&mut self, expression: &'ast Expr) {
        match expression {
            Expr::Paren(inner) => self.expression(&inner.expr),
            Expr::Block(inner) => self.tail(&inner.block),
            Expr::If(branch) => {
                self.tail(&branch.then_branch);
                if let Some((_, other)) = &branch.else_branch {
                    self.expression(other);
                }
            }
            Expr::Match(choice) => choice.arms.iter().for_each(|arm| self.expression(&arm.body)),
            Expr::Call(call) if is_call_of(&call.func, "Ok") => self.outcomes.extend(&call.args),
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Returned<'ast> {
    fn visit_expr_return(&mut self, returned: &'ast syn::ExprReturn) {
        if let Some(expression) = &returned.expr {
            self.expression(expression);
        }
        syn::visit::visit_expr_return(self, returned);
    }

    // What these return is not what the decider returns.
    fn visit_expr_closure(&mut self, _: &'ast syn::ExprClosure) {}
    fn visit_expr_async(&mut self, _: &'ast syn::ExprAsync) {}
    fn visit_item(&mut self, _: &'ast syn::Item) {}
}

fn is_call_of(function: &Expr, name: &str) -> bool {
    let Expr::Path(path) = function else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == name)
}

/// The struct literals of an outcome, through tuples, arrays, `Some(…)` and `vec![…]`.
fn literals(expression: &Expr, events: &mut Vec<Ident>) {
    match expression {
        Expr::Struct(literal) => {
            events.extend(literal.path.segments.last().map(|last| last.ident.clone()));
        }
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| literals(part, events)),
        Expr::Array(array) => array.elems.iter().for_each(|part| literals(part, events)),
        Expr::Paren(inner) => literals(&inner.expr, events),
        Expr::Call(call) if is_call_of(&call.func, "Some") => {
            call.args.iter().for_each(|part| literals(part, events));
        }
        Expr::Macro(call) if call.mac.path.is_ident("vec") => {
            let parts = call
                .mac
                .parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated)
                .unwrap_or_default();
            parts.iter().for_each(|part| literals(part, events));
        }
        _ => {}
    }
}
