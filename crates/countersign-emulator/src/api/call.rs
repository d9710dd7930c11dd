//! One API request, run on the world as it is now.

use countersign::UnixTime;

use super::error::ApiError;
use super::fields::Fields;
use super::query::Query;
use crate::world::World;

/// The maximum length of the name of a model or an agent, in bytes.
const MAX_MODEL: usize = 256;

/// A request, and the world that it reads and changes.
pub(super) struct Call<'a> {
    pub(super) world: &'a mut World,
    pub(super) now: UnixTime,
    pub(super) query: Query,
    pub(super) body: &'a [u8],
}

impl Call<'_> {
    pub(super) fn fields(&self) -> Result<Fields, ApiError> {
        Fields::parse(self.body)
    }

    /// Rejects a request that would lead to more deliveries than may be open.
    pub(super) fn room_for(&self, deliveries: usize, bytes: usize) -> Result<(), ApiError> {
        if self.world.outbox.has_room(deliveries, bytes) { Ok(()) } else { Err(no_room()) }
    }
}

/// Checks the name of a model or an agent, which is stored with the job and is part of its name.
pub(super) fn bounded<'m>(field: &str, model: &'m str) -> Result<&'m str, ApiError> {
    if model.is_empty() || model.len() > MAX_MODEL {
        return Err(ApiError::invalid(field, format!("the name must have 1 to {MAX_MODEL} bytes")));
    }
    Ok(model)
}

/// The error for a job if there is no room for the job or for its deliveries.
pub(super) fn no_room() -> ApiError {
    ApiError::exhausted("too many jobs or deliveries are open: wait until some have ended")
}

/// The error for a custom verb, as in `webhooks/{id}:ping`, that does not exist.
pub(super) fn no_verb(verb: &str) -> ApiError {
    ApiError::not_found(format!("there is no `:{verb}` here"))
}
