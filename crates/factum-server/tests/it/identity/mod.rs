//! Who somebody is, by what others say of them: issuers of JWTs, and authorities that sign
//! certificates.

mod certificate;
mod client;
pub(crate) mod issuer;
mod jwt;
pub(crate) mod secure;
mod standing;
mod strangers;
