//! The data set comes in as commands, each with a key of its own: an import that was killed is
//! simply run again, and goes on where it stopped (G5).

mod commands;
mod data;

use factum::{App, Done, Fault, RunError};

pub use commands::{ImportOrder, Known, ListProduct, RegisterUser};
pub(crate) use data::lines;
pub use data::{Data, DataError};

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Products, users and orders that are in.
    pub done: usize,
    /// All there are.
    pub of: usize,
}

/// Imports the data set that this program carries: products, users, orders, in the files' order.
/// Calls `progress` after each. What an earlier import brought in is not imported twice.
///
/// # Errors
/// [`Fault`] when the ledger can't take it; run it again.
pub async fn import(app: &App, progress: impl FnMut(Progress)) -> Result<(), Fault> {
    import_data(app, Data::embedded(), progress).await
}

/// The same for any data of this shape.
///
/// # Errors
/// [`Fault`].
pub async fn import_data(
    app: &App,
    data: Data,
    mut progress: impl FnMut(Progress),
) -> Result<(), Fault> {
    let of = data.products.len() + data.users.len() + data.orders.len();
    let mut done = 0;
    let mut step = || {
        done += 1;
        progress(Progress { done, of });
    };
    for product in data.products {
        let key = format!("import/{}", product.listed.product_id);
        known(app.run(product).key(key).await)?;
        step();
    }
    for user in data.users {
        let key = format!("import/{}", user.registered.user_id);
        known(app.run(user).key(key).await)?;
        step();
    }
    for order in data.orders {
        let key = format!("import/{}", order.placed.order_id);
        known(app.run(order).key(key).await)?;
        step();
    }
    Ok(())
}

/// Whether it came in now or was known before, it is in.
fn known(outcome: Result<Done, RunError<Known>>) -> Result<(), Fault> {
    match outcome {
        Ok(_) | Err(RunError::Refused(_)) => Ok(()),
        Err(RunError::Fault(fault)) => Err(fault),
    }
}
