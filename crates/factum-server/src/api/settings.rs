//! The configuration as it holds, for who may steer the server.

use super::{Api, ApiError};
use crate::{Setting, access::Principal};

impl Api {
    /// Every setting, by name, without what is secret.
    pub(crate) fn settings(&self, principal: &Principal) -> Result<Vec<Setting>, ApiError> {
        self.steering(principal, "settings are")?;
        Ok(self.settings.iter().map(Setting::shown).collect())
    }
}
