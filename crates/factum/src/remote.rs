//! Opening a ledger of a server: decisions are made and views are kept here, events there.
//!
//! ```text
//!   https://HOST:PORT/LEDGER      the server, and the name of the ledger
//!   <views>/views                 views, if they are to be kept on disk
//!   <views>/snapshots             snapshots of folds
//! ```

use std::sync::Arc;

use factum_client::Client;
use factum_store::{Ledger, ViewStore, memory::MemoryViewStore};

use crate::{App, AppBuilder, Fault, Opening, opening::DEFAULT_LEDGER};

/// Whether a URL names a server.
pub(crate) fn is_server(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

/// Opens a ledger of a server, which has to be there.
pub(crate) async fn open(opening: Opening) -> Result<App, Fault> {
    let (server, named) = parts(&opening)?;
    let unreachable = |error: factum_client::ConnectError| match error {
        factum_client::ConnectError::Unreachable { .. } => Fault::Unavailable(error.to_string()),
        error => Fault::Unsupported { url: opening.url.clone(), problem: error.to_string() },
    };
    let mut client = Client::to(server);
    if let Some(token) = &opening.token {
        client = client.token(token.clone());
    }
    if let Some(pem) = &opening.certificate_authority {
        client = client.certificate_authority(pem.clone());
    }
    if let Some((certificate, key)) = &opening.identity {
        client = client.identity(certificate.clone(), key.clone());
    }
    let client = client.environment().map_err(unreachable)?;
    let ledger = client.connect().await.map_err(unreachable)?.ledger(named);
    // Better to hear now than at the first command that the ledger is not there.
    ledger.head().await?;
    let app = over(Arc::new(ledger), opening.views)?.domain(opening.domain);
    app.record_commands(opening.record_commands).await
}

#[cfg(feature = "sqlite")]
fn over(ledger: Arc<dyn Ledger>, dir: Option<std::path::PathBuf>) -> Result<AppBuilder, Fault> {
    let Some(dir) = dir else { return Ok(App::over(ledger, in_memory())) };
    let views = factum_sqlite::SqliteViews::open(dir.join("views"))?;
    Ok(App::over(ledger, Arc::new(views)).snapshots(dir.join("snapshots")))
}

#[cfg(not(feature = "sqlite"))]
fn over(ledger: Arc<dyn Ledger>, _: Option<std::path::PathBuf>) -> Result<AppBuilder, Fault> {
    Ok(App::over(ledger, in_memory()))
}

fn in_memory() -> Arc<dyn ViewStore> {
    Arc::new(MemoryViewStore::new())
}

/// The server's address, and the ledger that is named by the URL or beside it.
fn parts(opening: &Opening) -> Result<(String, String), Fault> {
    let url = &opening.url;
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    let (server, path) = (&url[..end], url[end..].trim_matches('/'));
    let unsupported = |problem: String| Err(Fault::Unsupported { url: url.clone(), problem });
    if path.contains(['/', '?', '#']) {
        return unsupported("the ledger is what follows the port: http://HOST:PORT/LEDGER".into());
    }
    match (&opening.ledger, path) {
        (Some(ledger), path) if !path.is_empty() && path != ledger => {
            unsupported(format!("it names the ledger {path:?}, and {ledger:?} is asked for"))
        }
        (Some(ledger), _) => Ok((server.to_owned(), ledger.clone())),
        (None, "") => Ok((server.to_owned(), DEFAULT_LEDGER.to_owned())),
        (None, path) => Ok((server.to_owned(), path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_of(url: &str, ledger: Option<&str>) -> Option<(String, String)> {
        let mut opening = App::open(url);
        opening.ledger = ledger.map(str::to_owned);
        parts(&opening).ok()
    }

    #[test]
    fn a_url_names_a_server_and_may_name_a_ledger() {
        let of = |server: &str, ledger: &str| Some((server.to_owned(), ledger.to_owned()));
        let server = "https://[::1]:2113";
        assert_eq!(parts_of("https://[::1]:2113", None), of(server, "default"));
        assert_eq!(parts_of("https://[::1]:2113/", Some("bank")), of(server, "bank"));
        assert_eq!(parts_of("https://[::1]:2113/bank", None), of(server, "bank"));
        assert_eq!(parts_of("https://[::1]:2113/bank/", Some("bank")), of(server, "bank"));
        assert_eq!(parts_of("https://[::1]:2113/bank", Some("shop")), None);
        assert_eq!(parts_of("https://[::1]:2113/v1/bank", None), None);
    }
}
