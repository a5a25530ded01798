//! A look at the outline of a stranger's component, and of his WIT, before those who follow it to the end.
//!
//! Components hold components, and declarations of types hold declarations of types, at three bytes a level; wasm's parsers
//! recurse into the latter and would run off the end of the stack, which no host survives. So would the resolution of a
//! thousand WIT packages that each use the next, and WIT's worlds are written out in full when they are resolved: a hundred
//! kilobytes of worlds that include each other are gigabytes. All of that is counted here first, without recursion.

use wasmparser::{
    BinaryReader, BinaryReaderError, ComponentAlias, ComponentExternName, ComponentImport, ComponentType,
    ComponentTypeRef, CoreType, Parser, Payload,
};

use wit_parser::{UnresolvedPackage, UnresolvedPackageGroup};

use crate::ReflectError;

/// Deeper nesting than this is refused. What `wit-component` writes has three levels of either.
const MAX_NESTING: usize = 16;
/// The most interfaces that a component imports and exports. All of WASI's are thirty. One that is large and comes in a
/// thousand times is 11 KB in a file and half a gigabyte in a parser.
const MAX_INTERFACES: u32 = 200;
/// The most packages of a WIT text. All of Jackfield's and WASI's are twenty.
const MAX_PACKAGES: usize = 100;
/// What the worlds of a WIT text may be when they are written out: at worst, each of them holds every interface and
/// everything that another holds.
const MAX_WORLDS: usize = 1_000_000;

/// Whether a component can be given to a parser.
pub(crate) fn check(component: &[u8]) -> Result<(), ReflectError> {
    let (mut depth, mut interfaces) = (0_usize, 0_u32);
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(damaged)? {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(items) if depth == 0 => {
                interfaces = interfaces.saturating_add(items.count())
            }
            Payload::ComponentExportSection(items) if depth == 0 => {
                interfaces = interfaces.saturating_add(items.count())
            }
            Payload::ComponentTypeSection(types) => {
                let range = types.range();
                let section = component.get(range.clone()).unwrap_or_default();
                check_types(&mut BinaryReader::new(section, range.start))?;
            }
            _ => {}
        }
        if depth > MAX_NESTING {
            return Err(too_deep("components"));
        }
        if interfaces > MAX_INTERFACES {
            let reason =
                format!("it imports and exports more than {MAX_INTERFACES} interfaces; make several plugins of it");
            return Err(ReflectError::NotAComponent(reason));
        }
    }
    Ok(())
}

/// Whether a WIT text that was parsed can be resolved.
pub(crate) fn check_text(text: &UnresolvedPackageGroup) -> Result<(), ReflectError> {
    let packages = || text.nested.iter().chain([&text.main]);
    if packages().count() > MAX_PACKAGES {
        return Err(ReflectError::Wit(format!("it has more than {MAX_PACKAGES} packages")));
    }
    let sum = |size: fn(&UnresolvedPackage) -> usize| packages().map(size).sum::<usize>();
    let items = sum(|package| package.worlds.iter().map(|(_, world)| world.imports.len() + world.exports.len()).sum());
    let written_out =
        sum(|package| package.worlds.len()).saturating_mul(sum(|package| package.interfaces.len()) + items);
    if written_out > MAX_WORLDS {
        return Err(ReflectError::Wit("it has too many worlds; leave those out that are not the plugin's".into()));
    }
    Ok(())
}

/// Walks a section of types, keeping for each level how many types or declarations are still to come.
fn check_types(reader: &mut BinaryReader<'_>) -> Result<(), ReflectError> {
    let mut levels = vec![count(reader)?];
    while let Some(left) = levels.last_mut() {
        if *left == 0 {
            levels.pop();
            continue;
        }
        *left -= 1;
        let declared = levels.len() > 1;
        if declared && !begins_type(reader).map_err(damaged)? {
            continue;
        }
        let mut inner = reader.clone();
        if matches!(inner.read_u8(), Ok(COMPONENT | INSTANCE)) {
            *reader = inner;
            levels.push(count(reader)?);
        } else {
            reader.read::<ComponentType<'_>>().map_err(damaged)?;
        }
        if levels.len() > MAX_NESTING {
            return Err(too_deep("declarations of types"));
        }
    }
    Ok(())
}

/// The bytes that begin the two types which hold declarations.
const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;

/// Reads a declaration but for the type it is, if it is one.
fn begins_type(reader: &mut BinaryReader<'_>) -> Result<bool, BinaryReaderError> {
    match reader.read_u8()? {
        0x00 => reader.read::<CoreType<'_>>().map(|_| false),
        0x01 => Ok(true),
        0x02 => reader.read::<ComponentAlias<'_>>().map(|_| false),
        0x03 => reader.read::<ComponentImport<'_>>().map(|_| false),
        // What it is not is for the parser to say, which reads no further than we do.
        _ => {
            reader.read::<ComponentExternName<'_>>()?;
            reader.read::<ComponentTypeRef>().map(|_| false)
        }
    }
}

fn count(reader: &mut BinaryReader<'_>) -> Result<u32, ReflectError> {
    reader.read_var_u32().map_err(damaged)
}

fn damaged(error: BinaryReaderError) -> ReflectError {
    ReflectError::NotAComponent(error.to_string())
}

fn too_deep(what: &str) -> ReflectError {
    ReflectError::NotAComponent(format!("its {what} are nested deeper than {MAX_NESTING} levels"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 8] = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];

    /// A component with one section.
    fn component(id: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        bytes.push(id);
        let mut length = data.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend(data);
        bytes
    }

    fn declarations(depth: usize) -> Vec<u8> {
        component(7, &[&[1], &[INSTANCE, 1, 1].repeat(depth)[..], &[INSTANCE, 0]].concat())
    }

    #[test]
    fn declarations_of_types_may_be_nested_but_not_without_end() {
        check(&declarations(3)).unwrap();
        for depth in [MAX_NESTING, 10_000, 1_000_000] {
            let error = check(&declarations(depth)).unwrap_err().to_string();
            assert!(error.contains("nested deeper than 16"), "{depth}: {error}");
        }
    }

    #[test]
    fn components_may_be_nested_but_not_without_end() {
        let nested = |depth| (0..depth).fold(HEADER.to_vec(), |inner, _| component(4, &inner));
        check(&nested(3)).unwrap();
        let error = check(&nested(1000)).unwrap_err().to_string();
        assert!(error.contains("nested deeper than 16"), "{error}");
    }

    #[test]
    fn a_text_may_have_packages_and_worlds_but_not_without_end() {
        let check = |text: &str| {
            let group = UnresolvedPackageGroup::parse("test.wit", text).map_err(|(_, error)| error).unwrap();
            check_text(&group)
        };
        let packages = |count: usize| {
            let nested = (0..count).map(|n| format!("package a:p{n}@0.1.0 {{ interface i {{}} }}"));
            check(&format!("package a:b; {}", nested.collect::<String>()))
        };
        packages(50).unwrap();
        assert!(packages(10_000).unwrap_err().to_string().contains("more than 100 packages"));
        let worlds = |count: usize| {
            let more = (1..count).map(|n| format!("world w{n} {{ include w{}; import a{n}: func(); }}", n - 1));
            check(&format!("package a:b; world w0 {{}} {}", more.collect::<String>()))
        };
        worlds(50).unwrap();
        assert!(worlds(8_000).unwrap_err().to_string().contains("too many worlds"));
    }

    #[test]
    fn declarations_that_are_cut_off_are_an_error() {
        let whole = declarations(3);
        for end in 8..whole.len() - 1 {
            // A header alone is an empty component.
            assert_eq!(check(&whole[..end]).is_ok(), end == 8, "{end}");
        }
    }
}
