//! Published clients, unmodified, against the real server: every call and every error.

mod world;

mod umadb;
