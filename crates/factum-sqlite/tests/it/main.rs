//! The view store on SQLite, through its port.

mod rows;
