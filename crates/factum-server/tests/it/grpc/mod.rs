//! `factum.v1` as its clients see it.

mod conformance;
