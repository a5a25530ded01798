//! Who is told.

use jackfield_sdk::paging::paginate;
use jackfield_sdk::prelude::*;

use crate::api::Api;
use crate::wire::Named;
use crate::wit::Receivers;
use crate::wit::receivers::{Receiver, ReceiverPage};

impl Receivers for crate::Alertmanager {
    fn receivers(page: Page) -> Result<ReceiverPage> {
        let mut found: Vec<Named> = Api::open()?.get("/api/v2/receivers", "")?.json()?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        let (items, next) = paginate(found, &page, crate::alerts::PAGE)?;
        Ok(ReceiverPage { items: items.into_iter().map(|found| Receiver { name: found.name }).collect(), next })
    }
}
