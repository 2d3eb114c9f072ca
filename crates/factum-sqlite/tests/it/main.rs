//! The view store on SQLite, through its port.

mod conformance;
mod rows;
