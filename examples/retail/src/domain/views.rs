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
        "create table order_history (order_id text primary key, user_id text not null,
           position integer not null, status text not null, items integer not null,
           total_cents integer not null);
         create index order_history_by_user on order_history (user_id, position desc)",
    )
    .key("user_id")
    .order(["position desc"])
    .on::<OrderPlaced>(
        "insert into order_history select :order_id, :user_id, :position, 'pending', count(*),
           sum(value ->> 'price_cents') from json_each(:items)",
    )
    .on::<OrderItemsModified>(set!(
        "status = 'pending (item modified)', total_cents = total_cents
           + (select sum(value ->> 'difference_cents') from json_each(:swaps))"
    ))
    .on::<OrderShipped>(set!("status = 'processed'"))
    .on::<OrderDelivered>(set!("status = 'delivered'"))
    .on::<OrderCancelled>(set!("status = 'cancelled'"))
    .on::<OrderExchangeRequested>(set!("status = 'exchange requested'"))
    .on::<OrderReturnRequested>(set!("status = 'return requested'"))
}

/// How each product sells, best first. `units` and `net_cents` are what customers keep, at the price
/// they pay for it: without what was cancelled or is to be returned, with the price differences of
/// modifications and exchanges from the moment they are agreed. What went off, and the units that
/// were exchanged (for another variant, so they are still sold), stand beside it.
pub(crate) fn product_sales() -> impl IntoView {
    rows(
        "product_sales",
        "create table product_sales (product_id text primary key, name text not null,
           units integer default 0, net_cents integer default 0,
           cancelled_units integer default 0, cancelled_cents integer default 0,
           returned_units integer default 0, returned_cents integer default 0,
           exchanged_units integer default 0, exchanged_cents integer default 0);
         create table product_sales_orders (order_id text, product_id text, units integer,
           cents integer, primary key (order_id, product_id))",
    )
    .key("product_id")
    .order(["net_cents desc", "product_id"])
    .on::<ProductListed>("insert into product_sales (product_id, name) values (:product_id, :name)")
    .on::<OrderPlaced>(
        "insert into product_sales_orders
           select :order_id, value ->> 'product_id', count(*), sum(value ->> 'price_cents')
           from json_each(:items) group by 2;
         update product_sales as p set units = p.units + o.units, net_cents = net_cents + o.cents
           from product_sales_orders o
           where o.order_id = :order_id and o.product_id = p.product_id",
    )
    .on::<OrderItemsModified>(
        "update product_sales_orders as o set cents = o.cents + s.cents from (
           select value ->> 'product_id' id, sum(value ->> 'difference_cents') cents
           from json_each(:swaps) group by 1) s where order_id = :order_id and product_id = s.id;
         update product_sales set net_cents = net_cents + s.cents from (
           select value ->> 'product_id' id, sum(value ->> 'difference_cents') cents
           from json_each(:swaps) group by 1) s where product_id = s.id",
    )
    .on::<OrderCancelled>(
        "update product_sales as p set units = p.units - o.units, net_cents = net_cents - o.cents,
           cancelled_units = cancelled_units + o.units, cancelled_cents = cancelled_cents + o.cents
           from product_sales_orders o
           where o.order_id = :order_id and o.product_id = p.product_id",
    )
    .on::<OrderReturnRequested>(
        "update product_sales as p set units = p.units - s.units, net_cents = net_cents - s.cents,
           returned_units = returned_units + s.units, returned_cents = returned_cents + s.cents
           from (select value ->> 'product_id' id, count(*) units, sum(value ->> 'price_cents') cents
           from json_each(:items) group by 1) s where product_id = s.id",
    )
    .on::<OrderExchangeRequested>(
        "update product_sales set net_cents = net_cents + s.cents,
           exchanged_units = exchanged_units + s.units, exchanged_cents = exchanged_cents + s.cents
           from (select value ->> 'product_id' id, count(*) units,
           sum(value ->> 'difference_cents') cents from json_each(:swaps) group by 1) s
           where product_id = s.id",
    )
}

/// The orders that the warehouse has to send next, oldest first: pending ones, also those whose
/// items were modified.
pub(crate) fn shipping_queue() -> impl IntoView {
    rows(
        "shipping_queue",
        "create table shipping_queue (order_id text primary key, user_id text not null,
           position integer not null, status text not null, address text not null)",
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
