//! `/docs`: the interface for people, made from the same table as the document for machines. Plain
//! HTML and one style sheet: nothing runs in it, nothing comes from elsewhere, and every text in it
//! is escaped.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    sync::{Arc, LazyLock},
};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use serde_json::Value;

use super::{Shared, known::Known, openapi::document, route::Route, routes::routes};

/// What a browser may do with the page: show it, with the style sheet from here.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

pub(crate) async fn page(State(_): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&routes()));
    // The guard has seen that this names the server.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let page = Page { routes: &routes(), document: &DOCUMENT, host };
    let mut response = Response::new(Body::from(page.to_string()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

pub(crate) async fn style() -> Response {
    let mut response = Response::new(Body::from(include_str!("docs.css")));
    let media = HeaderValue::from_static("text/css; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

struct Page<'a> {
    routes: &'a [Route],
    document: &'a Value,
    host: &'a str,
}

impl Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        write!(
            f,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>Factum: HTTP</title>\
             <link rel=\"stylesheet\" href=\"/docs/style.css\"></head><body><nav>"
        )?;
        let mut groups = BTreeMap::<&str, Vec<&Route>>::new();
        for route in self.routes {
            groups.entry(route.group()).or_default().push(route);
        }
        for (group, routes) in &groups {
            write!(f, "<h2>{group}</h2><ul>")?;
            for route in routes {
                write!(f, "<li><a href=\"#{}\">{}</a></li>", route.id, Text(route.what))?;
            }
            f.write_str("</ul>")?;
        }
        write!(
            f,
            "<h2><a href=\"#schemas\">schemas</a></h2></nav><main><h1>Factum {version}: HTTP</h1>\
             <p>The same for machines: <a href=\"/openapi.json\">openapi.json</a>. A \"no\" is a \
             problem document (RFC 9457); <a href=\"/problems\">all kinds</a>, and what to try.</p>"
        )?;
        for route in groups.values().flatten() {
            self.operation(f, route)?;
        }
        self.schemas(f)?;
        f.write_str("</main></body></html>")
    }
}

impl Page<'_> {
    fn operation(&self, f: &mut fmt::Formatter<'_>, route: &Route) -> fmt::Result {
        let operation = &self.document["paths"][route.path][route.method.to_ascii_lowercase()];
        let (id, method) = (route.id, route.method);
        write!(
            f,
            "<section id=\"{id}\"><h3><b class=\"{method}\">{method}</b> <code>{}</code></h3>\
             <p>{}.</p>",
            Text(route.path),
            Text(route.what)
        )?;
        write!(f, "<pre class=\"copy\">{}</pre>", Text(&self.curl(route)))?;
        self.parameters(f, &operation["parameters"])?;
        if let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") {
            write!(f, "<h4>Body</h4>{}", Shape(body))?;
        }
        f.write_str("<h4>Answers</h4><dl>")?;
        for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
            let said = answer["description"].as_str().unwrap_or_default();
            write!(f, "<dt>{status}</dt><dd>{}", Text(said))?;
            for (media, content) in answer["content"].as_object().into_iter().flatten() {
                let item = content.get("x-item-schema").unwrap_or(&content["schema"]);
                if media != "application/problem+json" {
                    write!(f, "<br><code>{}</code> {}", Text(media), Shape(item))?;
                }
            }
            f.write_str("</dd>")?;
        }
        f.write_str("</dl></section>")
    }

    fn parameters(&self, f: &mut fmt::Formatter<'_>, parameters: &Value) -> fmt::Result {
        let parameters = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
        if parameters.is_empty() {
            return Ok(());
        }
        f.write_str("<table><tr><th>Name</th><th>In</th><th>What it means</th></tr>")?;
        for parameter in parameters {
            let text = |member: &str| Text(parameter[member].as_str().unwrap_or_default());
            let (name, place, what) = (text("name"), text("in"), text("description"));
            write!(f, "<tr><td><code>{name}</code></td><td>{place}</td><td>{what}</td></tr>")?;
        }
        f.write_str("</table>")
    }

    /// What to type into a shell: a click selects all of it.
    fn curl(&self, route: &Route) -> String {
        let path = route.parts().fold(route.path.to_owned(), |path, part| {
            path.replace(&format!("{{{}}}", part.name), Known::example(part))
        });
        let needed = route.parameters.iter().find(|known| known.is_required());
        let query = needed.map(|known| format!("?{}={}", known.name, known.example()));
        let mut line = format!("curl -s 'http://{}{path}{}'", self.host, query.unwrap_or_default());
        if !matches!(route.method, "GET" | "POST") {
            line.push_str(&format!(" -X {}", route.method));
        }
        if route.body.is_some() {
            let body = route.example.unwrap_or("{}").replace('\'', "'\\''");
            line.push_str(&format!(" \\\n  -H 'Content-Type: application/json' -d '{body}'"));
        }
        line
    }

    fn schemas(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<section id=\"schemas\"><h2>Schemas</h2>")?;
        let all = self.document.pointer("/components/schemas").and_then(Value::as_object);
        for (name, schema) in all.into_iter().flatten() {
            let text = serde_json::to_string_pretty(schema).map_err(|_| fmt::Error)?;
            let name = Text(name);
            write!(f, "<h4 id=\"schema-{name}\">{name}</h4><pre>{}</pre>", Text(&text))?;
        }
        f.write_str("</section>")
    }
}

/// A schema in a word: a link to it, when it has a name.
struct Shape<'a>(&'a Value);

impl Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |schema: &'_ Value| -> Option<String> {
            Some(schema.get("$ref")?.as_str()?.rsplit('/').next()?.to_owned())
        };
        match (named(self.0), self.0.get("items").and_then(named)) {
            (Some(name), _) => write!(f, "<a href=\"#schema-{0}\">{0}</a>", Text(&name)),
            (None, Some(name)) => write!(f, "list of <a href=\"#schema-{0}\">{0}</a>", Text(&name)),
            (None, None) => {
                write!(f, "{}", Text(self.0["type"].as_str().unwrap_or("any JSON")))
            }
        }
    }
}

/// Text that is text in HTML, in attributes too.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                character => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_on_the_page_and_no_text_is_markup() {
        let routes = routes();
        let document = document(&routes);
        let page = Page { routes: &routes, document: &document, host: "<b>'\"&" }.to_string();
        for route in &routes {
            assert!(page.contains(&format!("<section id=\"{}\">", route.id)), "{}", route.id);
        }
        assert!(page.contains("http://&lt;b&gt;&#39;&quot;&amp;/health"));
        assert!(!page.contains("<b>'") && !page.contains("<script") && !page.contains("style=\""));
    }
}
