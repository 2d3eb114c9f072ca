//! Who somebody is, by what others say of them: issuers of JWTs, and authorities that sign
//! certificates.

pub(crate) mod issuer;
mod jwt;
