//! The tests are what is here: published clients, as they come from the registry, against the binary
//! `factum serve`. The environment variable `FACTUM` names another binary than `target/debug/factum`.
