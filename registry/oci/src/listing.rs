//! Lists in pages: the next one is where the last one says. How many pages there are is the registry's to say and how many
//! are read is not, so that a registry whose list never ends is given up.

use http::{HeaderValue, Method, header};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{
    Client, OciError, Repository,
    home::{Home, Scope},
    pull::MAX_MANIFEST_BYTES,
    reach,
    reference::is_tag,
    transport::{Answer, Ask},
};

/// The most tags of a repository that are listed.
pub const MAX_TAGS: usize = 10_000;
/// The most pages of a list.
const MAX_PAGES: usize = 100;

#[derive(Deserialize)]
struct Tags {
    /// A list, or null where there are none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// The tags of a repository, in the registry's order; at most [`MAX_TAGS`], more are an error.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<String>, OciError> {
        let repository = self.source(repository)?;
        let (scope, home) = (Scope::reading(&repository), self.home(&repository)?);
        let mut next = Some(scope.url(&home, "tags/list?n=1000")?);
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { return Ok(all) };
            let (page, answer) = self.page::<Tags>(&scope, &home, url, "application/json").await?;
            let tags = page.tags.unwrap_or_default();
            if !tags.iter().all(|tag| is_tag(tag)) {
                return Err(OciError::malformed(&answer.place, "it lists a tag that cannot be one"));
            }
            all.extend(tags);
            if all.len() > MAX_TAGS {
                return Err(OciError::malformed(&answer.place, format!("there are more than {MAX_TAGS} tags")));
            }
            next = following(&home, &answer)?;
        }
        match next {
            None => Ok(all),
            Some(url) => Err(OciError::malformed(&Ask::new(Method::GET).place(&url), "its list does not end")),
        }
    }

    /// One page.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        scope: &Scope,
        home: &Home,
        url: Url,
        accept: &'static str,
    ) -> Result<(T, Answer), OciError> {
        let patience = self.patience();
        let ask = Ask::new(Method::GET).header(header::ACCEPT, HeaderValue::from_static(accept));
        let mut answer = self.ask(scope, home, ask, url, patience).await?;
        if !answer.status.is_success() {
            return Err(answer.failure(patience).await);
        }
        let text = answer.read(MAX_MANIFEST_BYTES, patience).await?;
        match serde_json::from_slice(&text) {
            Ok(page) => Ok((page, answer)),
            Err(_) => Err(OciError::malformed(&answer.place, "it is not the list that was asked for")),
        }
    }
}

/// Where the next page is: at the same registry, or nowhere.
pub(crate) fn following(home: &Home, answer: &Answer) -> Result<Option<Url>, OciError> {
    let links = answer.headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = links.filter_map(next_in).next() else { return Ok(None) };
    let not = |to: String, reason: String| OciError::Redirect { place: answer.place.clone(), to, reason };
    let url = reach::follow(&answer.url, target).map_err(|refused| not(refused.to, refused.reason))?;
    match url.origin() == home.url.origin() {
        true => Ok(Some(url)),
        false => Err(not(reach::origin(&url), "a list goes on at the same registry".into())),
    }
}

/// The target of a header `link` that says `rel="next"`.
fn next_in(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim_start().strip_prefix('<')?.split_once('>')?;
    let is_next = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        let fits =
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next");
        fits.then_some(target)
    };
    parameters.split([';', ',']).find_map(is_next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_its_header() {
        assert_eq!(next_in(r#"</v2/a/tags/list?n=2&last=b>; rel="next""#), Some("/v2/a/tags/list?n=2&last=b"));
        assert_eq!(next_in("<x> ;title=y; REL=next"), Some("x"));
        for text in ["", "<x>", "<x>; rel=prev", "x; rel=next", "<x; rel=next"] {
            assert_eq!(next_in(text), None, "{text}");
        }
    }
}
