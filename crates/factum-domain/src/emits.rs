//! [`Emits`]: what a decision may come to. The type is the catalogue.

use factum_store::NewEvent;

use crate::{EncodeError, Event, EventModel, new_event};

/// An event, `()`, or a tuple, `Option`, `Vec` or array of what emits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be emitted",
    label = "not an event",
    note = "a decision comes to an event, `()`, or a tuple, `Option` or `Vec` of them"
)]
pub trait Emits {
    /// The events that it may be.
    fn catalogue() -> Vec<EventModel>;

    /// Adds its events, in order.
    ///
    /// # Errors
    /// [`EncodeError`] when one of them can't be written as JSON.
    fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError>;
}

impl<E: Event> Emits for E {
    fn catalogue() -> Vec<EventModel> {
        vec![E::MODEL]
    }

    fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
        into.push(new_event(&self)?);
        Ok(())
    }
}

impl<T: Emits> Emits for Option<T> {
    fn catalogue() -> Vec<EventModel> {
        T::catalogue()
    }

    fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
        self.map_or(Ok(()), |events| events.emit(into))
    }
}

impl<T: Emits> Emits for Vec<T> {
    fn catalogue() -> Vec<EventModel> {
        T::catalogue()
    }

    fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
        self.into_iter().try_for_each(|events| events.emit(into))
    }
}

impl<T: Emits, const N: usize> Emits for [T; N] {
    fn catalogue() -> Vec<EventModel> {
        T::catalogue()
    }

    fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
        self.into_iter().try_for_each(|events| events.emit(into))
    }
}

impl Emits for () {
    fn catalogue() -> Vec<EventModel> {
        Vec::new()
    }

    fn emit(self, _: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($name:ident)+) => {
        impl<$($name: Emits),+> Emits for ($($name,)+) {
            fn catalogue() -> Vec<EventModel> {
                let mut all = Vec::new();
                $(for model in $name::catalogue() {
                    if !all.contains(&model) {
                        all.push(model);
                    }
                })+
                all
            }

            fn emit(self, into: &mut Vec<NewEvent>) -> Result<(), EncodeError> {
                #[allow(non_snake_case, reason = "a type's name names its value")]
                let ($($name,)+) = self;
                $($name.emit(into)?;)+
                Ok(())
            }
        }
    };
}

tuple!(A);
tuple!(A B);
tuple!(A B C);
tuple!(A B C D);
tuple!(A B C D E);
tuple!(A B C D E F);
tuple!(A B C D E F G);
tuple!(A B C D E F G H);
