//! Views: what is asked so often that it is kept ready. The documents `products`, `users` and
//! `orders` are the folds themselves; these are the tables. Their amounts are in cents.

use factum::{IntoView, rows};

use super::events::*;

/// A user's orders, newest first: a shop's "my orders" page. `total_cents` is what the items cost
/// after modifications; a cancelled order keeps the total that was paid back.
pub(crate) fn order_history() -> impl IntoView {
    macro_rules! set {
        ($what:literal) => {
            concat!("update order_history set ", $what, " where order_id = :order_id")
        };
    }
    rows(
        "order_history",
        "create table order_history (order_id text primary key, user_id text, position integer,
           status text, items integer, total_cents integer);
         create index order_history_by_user on order_history (user_id, position desc)",
    )
    .key("user_id")
    .order(["position desc"])
    .on::<OrderPlaced>(
        "insert into order_history select :order_id, :user_id, :position, 'pending', count(*),
           ifnull(sum(value ->> 'price_cents'), 0) from json_each(:items)",
    )
    .on::<OrderItemsModified>(set!(
        "status = 'pending (item modified)', total_cents = total_cents
           + (select ifnull(sum(value ->> 'difference_cents'), 0) from json_each(:swaps))"
    ))
    .on::<OrderShipped>(set!("status = 'processed'"))
    .on::<OrderDelivered>(set!("status = 'delivered'"))
    .on::<OrderCancelled>(set!("status = 'cancelled'"))
    .on::<OrderExchangeRequested>(set!("status = 'exchange requested'"))
    .on::<OrderReturnRequested>(set!("status = 'return requested'"))
}

/// The orders that the warehouse has to send next, oldest first: pending ones, also those whose
/// items were modified.
pub(crate) fn shipping_queue() -> impl IntoView {
    rows(
        "shipping_queue",
        "create table shipping_queue (order_id text primary key, user_id text, position integer,
           status text, address json)",
    )
    .key("order_id")
    .order(["position"])
    .on::<OrderPlaced>(
        "insert into shipping_queue values (:order_id, :user_id, :position, 'pending', :address)",
    )
    .on::<OrderItemsModified>(
        "update shipping_queue set status = 'pending (item modified)' where order_id = :order_id",
    )
    .on::<OrderAddressModified>(
        "update shipping_queue set address = :address where order_id = :order_id",
    )
    .on::<OrderShipped>("delete from shipping_queue where order_id = :order_id")
    .on::<OrderCancelled>("delete from shipping_queue where order_id = :order_id")
}

/// How each product sells, best first: what was ordered, and how that was modified, cancelled,
/// returned and exchanged since. `units` and `net_cents` are what customers keep, at the price they
/// pay for it. Returns and exchanges count when they are requested, since that is agreed; exchanged
/// units are still sold, as another variant, so only the difference in price counts.
pub(crate) fn product_sales() -> impl IntoView {
    macro_rules! add {
        ($what:literal, $to:literal, $cents:literal) => {
            concat!(
                "update product_sales as p set ",
                $to,
                "_units = ",
                $to,
                "_units + s.units, ",
                $to,
                "_cents = ",
                $to,
                "_cents + s.cents from (select value ->> 'product_id' id,
                   count(*) units, sum(value ->> '",
                $cents,
                "') cents from json_each(:",
                $what,
                ")
                   group by 1) s where p.product_id = s.id"
            )
        };
    }
    rows(
        "product_sales",
        "create table product_sales (product_id text primary key, name text,
           ordered_units integer default 0, ordered_cents integer default 0,
           modified_units integer default 0, modified_cents integer default 0,
           cancelled_units integer default 0, cancelled_cents integer default 0,
           returned_units integer default 0, returned_cents integer default 0,
           exchanged_units integer default 0, exchanged_cents integer default 0,
           units integer as (ordered_units - cancelled_units - returned_units),
           net_cents integer as (ordered_cents + modified_cents - cancelled_cents - returned_cents
             + exchanged_cents))",
    )
    .key("product_id")
    .order(["net_cents desc", "product_id"])
    .on::<ProductListed>("insert into product_sales (product_id, name) values (:product_id, :name)")
    .on::<OrderPlaced>(add!("items", "ordered", "price_cents"))
    .on::<OrderItemsModified>(add!("swaps", "modified", "difference_cents"))
    .on::<OrderCancelled>(add!("items", "cancelled", "price_cents"))
    .on::<OrderReturnRequested>(add!("items", "returned", "price_cents"))
    .on::<OrderExchangeRequested>(add!("swaps", "exchanged", "difference_cents"))
}
