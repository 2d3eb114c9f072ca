//! What each decision reads is what it guards: no more, or changes that can't disturb each other
//! would wait for each other; no less, or a rule would be decided on what may have changed.

use std::collections::BTreeMap;

/// By command: the parameters, and the event types that each heeds.
fn boundaries() -> BTreeMap<&'static str, Vec<String>> {
    let domain = retail::domain();
    let decided = domain.commands().map(|decider| {
        let model = decider.model();
        let reads =
            model.reads.iter().map(|read| format!("{}: {}", read.parameter, read.heeds.join(" ")));
        (model.command.name, reads.collect())
    });
    decided.collect()
}

const PROGRESS: &str = "order.placed order.shipped order.delivered order.cancelled \
    order.items_modified order.exchange_requested order.return_requested";
const PROGRESS_AND_PAYMENTS: &str = "order.placed order.settled order.shipped order.delivered \
    order.cancelled order.items_modified order.exchange_requested order.return_requested";

#[test]
fn every_decision_reads_what_its_rules_look_at_and_nothing_else() {
    let boundaries = boundaries();
    let check = |command: &str, reads: &[&str]| assert_eq!(boundaries[command], reads, "{command}");
    let order = format!("order: {PROGRESS}");
    let paid_order = format!("order: {PROGRESS_AND_PAYMENTS}");
    let owners_methods = "owner: user.registered";
    let owners_balance = "owner: user.registered order.settled";
    let products = "products: product.listed";
    check("cancel_pending_order", &[&paid_order]);
    check("modify_pending_order_items", &[&order, owners_balance, products]);
    check("modify_pending_order_address", &[&order]);
    check("modify_pending_order_payment", &[&paid_order, owners_balance]);
    check("exchange_delivered_order_items", &[&order, owners_balance, products]);
    check("return_delivered_order_items", &[&paid_order, owners_methods]);
    check("modify_user_address", &["user: user.registered"]);
}
