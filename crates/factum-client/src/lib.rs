//! Factum's Rust client: a ledger over the network is a [`factum_store::Ledger`] like any other.
