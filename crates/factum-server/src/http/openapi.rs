//! `/openapi.json`: the interface as OpenAPI 3.1, made from the table of routes. Nothing in it is
//! written twice, so it can't say anything else than the routes do.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use super::{
    Shared,
    problem::{Kind, ProblemJson},
    route::{Route, Yes},
    routes::routes,
};

/// Where the schemas stand in the document.
const SCHEMAS: &str = "/components/schemas";

pub(crate) async fn serve(State(_): State<Arc<Shared>>) -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| document(&routes()).to_string().into());
    let mut response = Response::new(Body::from(TEXT.clone()));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

/// The document of these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    let problem = schemas.answers.subschema_for::<ProblemJson>();
    for route in routes {
        let operation = operation(route, &mut schemas, &problem.clone().into());
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_ascii_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "Factum",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Ledgers of immutable events, commands that decide, views that follow.",
            "description": "Each \"no\" is a problem document (RFC 9457), whose `type` can be \
                asked for what it means. Nothing is ignored: an unknown parameter or field is \
                refused by name.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas.into_definitions(),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        // A server on loopback alone may not want a token.
        "security": [{ "token": [] }, {}],
    })
}

/// The generators of what is taken and what is answered: the same type can differ in the two.
struct Schemas {
    bodies: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
            });
            settings.with_transform(RecursiveTransform(without_null_default))
        };
        Self {
            bodies: settings().for_deserialize().into_generator(),
            answers: settings().for_serialize().into_generator(),
        }
    }

    fn into_definitions(mut self) -> Map<String, Value> {
        let mut all = self.answers.take_definitions(true);
        for (name, schema) in self.bodies.take_definitions(true) {
            let other = all.insert(name.clone(), schema.clone());
            assert!(
                other.is_none_or(|other| other == schema),
                "{name} is taken in one form and answered in another: give them two names"
            );
        }
        all
    }
}

/// That a part may be left out is said by its absence from `required`; `null` need not fit it.
fn without_null_default(schema: &mut Schema) {
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
}

fn operation(route: &Route, schemas: &mut Schemas, problem: &Value) -> Value {
    let parts = route.parts().map(|part| part.document("path"));
    let query = route.parameters.iter().map(|known| known.document("query"));
    let headers = route.headers.iter().map(|known| known.document("header"));
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.what,
        "tags": [route.group()],
        "parameters": parts.chain(query).chain(headers).collect::<Vec<_>>(),
        "responses": responses(route, &mut schemas.answers, problem),
    });
    if let Some(body) = route.body {
        let schema = Value::from(body(&mut schemas.bodies));
        let mut content = json!({ "schema": schema });
        if let Some(example) = route.example {
            content["example"] = serde_json::from_str(example).expect("an example is JSON");
        }
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": content } });
    }
    operation
}

fn responses(route: &Route, schemas: &mut SchemaGenerator, problem: &Value) -> Value {
    let mut all = BTreeMap::<String, Value>::new();
    for yes in &route.answers {
        let answer = all
            .entry(yes.status.to_string())
            .or_insert_with(|| json!({ "description": route.what, "content": {} }));
        answer["content"][yes.media] = content(yes, schemas);
    }
    let mut by_status = BTreeMap::<u16, Vec<Kind>>::new();
    for kind in route.all_problems() {
        by_status.entry(kind.row().status).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        all.insert(status.to_string(), refusal(status, &kinds, problem));
    }
    json!(all)
}

fn content(yes: &Yes, schemas: &mut SchemaGenerator) -> Value {
    let schema = Value::from((yes.schema)(schemas));
    match yes.media {
        "application/json" => json!({ "schema": schema }),
        // One after the other: OpenAPI 3.1 has no word for that, so the whole is text.
        "text/event-stream" | "application/x-ndjson" => {
            json!({ "schema": { "type": "string" }, "x-item-schema": schema })
        }
        _ => json!({ "schema": { "type": "string" } }),
    }
}

/// The problems of one status: what a document's `type` can be is said exactly.
fn refusal(status: u16, kinds: &[Kind], problem: &Value) -> Value {
    let rows: Vec<_> = kinds.iter().map(|kind| kind.row()).collect();
    let titles: Vec<_> = rows.iter().map(|row| format!("`{}`: {}", row.slug, row.title)).collect();
    let types: Vec<_> = rows.iter().map(|row| row.uri()).collect();
    let exactly =
        json!({ "properties": { "type": { "enum": types }, "status": { "const": status } } });
    let mut answer = json!({
        "description": titles.join("; "),
        "content": {
            "application/problem+json": { "schema": { "allOf": [problem, exactly] } },
        },
    });
    if matches!(status, 429 | 503) {
        answer["headers"] = json!({
            "Retry-After": {
                "description": "seconds to wait before trying again",
                "schema": { "type": "integer", "minimum": 0 },
            },
        });
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_in_the_document_under_a_name_of_its_own() {
        let (routes, mut ids) = (routes(), BTreeSet::new());
        let document = document(&routes);
        for route in &routes {
            let operation = &document["paths"][route.path][route.method.to_ascii_lowercase()];
            assert_eq!(operation["operationId"], route.id);
            assert!(ids.insert(route.id), "{} is the name of two routes", route.id);
            assert!(!route.answers.is_empty(), "{} never says yes", route.id);
            assert_eq!(operation.get("requestBody").is_some(), route.method == "POST");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document(&routes());
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').expect("is of this document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            match value {
                Value::Object(members) => open.extend(members.values()),
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }
}
