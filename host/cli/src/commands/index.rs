//! `jackfield registry build` and `mirror`: making an index, and copying one. No host is asked.

use std::collections::{BTreeMap, BTreeSet};

use jackfield_fetch::{Fetched, Fetcher, IndexPlace, IndexPlaceError, Place};
use jackfield_index::{
    Build, Location, MAX_ROOT_BYTES, Mirror, Outcome, Page, ROOT_FILE, Release, Root, SIGNATURE_FILE, Timestamp, Want,
    WantError, package_path, page_path, verify,
};
use jackfield_registry::MAX_PACKAGE_BYTES;
use jackfield_trust::{Evidence, MAX_EVIDENCE_BYTES, SignerRule, Signers};
use serde_json::json;

use super::{Context, place, publish, registries};
use crate::{
    args::{BuildArgs, MirrorArgs},
    failure::Failure,
};

pub(super) fn build(context: &Context, args: &BuildArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(publish::private_key).transpose()?;
    let built = Build {
        source: &args.sources,
        packages: &args.packages,
        given: &jackfield_core::default_limits(),
        key: key.as_ref(),
        now: Timestamp::now(),
    };
    let built = built.write(&args.out).map_err(failed)?;
    let outcome = match built.outcome {
        Outcome::Written => "written",
        Outcome::Signed => "signed",
        Outcome::Unchanged => "unchanged",
    };
    publish::show(
        context,
        &json!({
            "index": args.out.display().to_string(),
            "outcome": outcome,
            "serial": built.serial,
            "expires": built.expires.to_string(),
            "digest": built.root.to_string(),
            "added": built.added,
            "key": key.map(|key| key.public().fingerprint()).unwrap_or_default(),
        }),
    )
}

pub(super) async fn mirror(context: &Context, args: &MirrorArgs) -> Result<(), Failure> {
    let wants = args.plugins.iter().map(|text| text.parse::<Want>());
    let wants = wants.collect::<Result<Vec<_>, WantError>>().map_err(|error| Failure::Usage(error.to_string()))?;
    let index = source(&args.address)?;
    let fetcher = publish::fetcher(context)?;
    let mirror = fetch(&fetcher, &index, args).await?;
    let mut added = Vec::new();
    let releases = selected(&mirror, &wants)?;
    for (plugin, release) in &releases {
        let there = args.folder.join(package_path(&release.digest));
        // What is there under its digest is read again where it is installed.
        if there.is_file() {
            continue;
        }
        let (file, beside) = package(&fetcher, &index, release).await?;
        mirror.put(&args.folder, plugin, release, &file, &beside).map_err(failed)?;
        added.push(format!("{plugin}@{}", release.version));
    }
    mirror.finish(&args.folder).map_err(failed)?;
    publish::show(
        context,
        &json!({
            "mirror": args.folder.display().to_string(),
            "index": mirror.root().name,
            "serial": mirror.root().serial,
            "expires": mirror.root().expires.to_string(),
            "releases": releases.len(),
            "added": added,
        }),
    )
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

/// Where an index is: a folder is named from here.
fn source(address: &str) -> Result<IndexPlace, Failure> {
    let address = registries::from_here(address);
    // What was written is not repeated: it may be an address with a password.
    address.parse().map_err(|error: IndexPlaceError| Failure::Usage(error.to_string()))
}

/// Fetches an index and all of its pages, if it is signed by who was named and is still to be believed.
async fn fetch(fetcher: &Fetcher, index: &IndexPlace, args: &MirrorArgs) -> Result<Mirror, Failure> {
    let file = async |path: &str, most| {
        let found = fetcher.index_file(index, path, most, None).await;
        found.map(|found| found.map(|found| found.bytes).unwrap_or_default())
    };
    let root = file(ROOT_FILE, MAX_ROOT_BYTES).await.map_err(failed)?;
    let signature = match file(SIGNATURE_FILE, MAX_EVIDENCE_BYTES).await {
        Ok(bundle) => Some(bundle),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(failed(error)),
    };
    if !args.signers.allow_unsigned {
        let rules: Vec<SignerRule> =
            serde_json::from_value(registries::signers(&args.signers)?.into()).map_err(failed)?;
        let trust_root = args.trust_root.as_deref().map(place::file).transpose()?;
        let trust_root = trust_root.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let signers = Signers::new(&rules, trust_root.as_deref()).map_err(|error| Failure::Usage(error.to_string()))?;
        verify(&root, signature.as_deref(), &signers).map_err(failed)?;
    }
    let read = Root::read(&root).map_err(failed)?;
    read.is_fresh(Timestamp::now()).map_err(failed)?;
    let mut pages = BTreeMap::new();
    for (plugin, listing) in &read.plugins {
        let most = usize::try_from(listing.size).unwrap_or(usize::MAX);
        pages.insert(plugin.clone(), file(&page_path(plugin), most).await.map_err(failed)?);
    }
    Mirror::new(root, signature, pages).map_err(failed)
}

/// The releases that are to be copied: all that are wanted, or all but those that were taken back.
fn selected<'m>(mirror: &'m Mirror, wants: &[Want]) -> Result<Vec<(&'m str, &'m Release)>, Failure> {
    let pages: Vec<(&str, &Page)> =
        mirror.root().plugins.keys().filter_map(|name| Some((name.as_str(), mirror.page(name)?))).collect();
    let is_wanted = |release: &Release, name: &str| {
        let mut of = wants.iter().filter(|want| want.name == name);
        match wants.is_empty() {
            true => release.yanked.is_none(),
            false => of.any(|want| want.holds(release)),
        }
    };
    let all = pages.iter().flat_map(|(name, page)| page.releases.iter().map(move |release| (*name, release)));
    let all: Vec<_> = all.filter(|(name, release)| is_wanted(release, name)).collect();
    let found: BTreeSet<&str> = all.iter().map(|(name, _)| *name).collect();
    match wants.iter().find(|want| !found.contains(want.name.as_str())) {
        Some(want) => Err(Failure::Usage(format!("the index has no release of `{want}`"))),
        None => Ok(all),
    }
}

/// A release's file, and what was found beside it, as files of the mirror.
async fn package(
    fetcher: &Fetcher,
    index: &IndexPlace,
    release: &Release,
) -> Result<(Vec<u8>, Vec<(String, Vec<u8>)>), Failure> {
    let copy = package_path(&release.digest);
    let at = async |path: &str| fetcher.beside_index(index, path, MAX_PACKAGE_BYTES).await;
    if let Location::Beside(path) = &release.place {
        let found = match at(&copy).await {
            Err(error) if error.is_not_found() => at(path).await,
            found => found,
        };
        let Fetched { file, evidence, .. } = found.map_err(failed)?;
        let bundle = evidence.into_iter().find_map(|piece| match piece {
            Evidence::Bundle(bytes) => Some((format!("{copy}{}", jackfield_core::SIGNATURE_SUFFIX), bytes)),
            _ => None,
        });
        return Ok((file, bundle.into_iter().collect()));
    }
    let published: Place = release.place.as_str().parse().map_err(failed)?;
    let kept = fetcher.kept(index, &published, &release.digest, MAX_PACKAGE_BYTES).await.map_err(failed)?;
    let found = match kept {
        Some(copy) => copy,
        None => fetcher.fetch(&published, MAX_PACKAGE_BYTES).await.map_err(failed)?,
    };
    let beside = found.as_kept().into_iter().filter(|(path, _)| *path != copy).collect();
    Ok((found.file, beside))
}
