//! Tables: columns as wide as their widest cell, two spaces between, a heading in capitals. On a terminal the widest
//! columns give way until the table fits, and a cell that was cut ends in `…`; what is piped is never cut.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::printable;

/// No column is cut below this.
const LEAST: usize = 8;

/// How to draw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) colour: bool,
    /// The terminal's width; none where there is no terminal.
    pub(crate) width: Option<usize>,
}

/// A colour that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Good,
    Middling,
    Bad,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: if text.is_empty() { "-".into() } else { printable(text).into_owned() }, colour: None }
    }

    /// The same cell in a colour.
    pub(crate) fn coloured(mut self, colour: Option<Colour>) -> Self {
        self.colour = colour;
        self
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text.as_ref())
    }
}

/// A table, or, without a heading, aligned lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    heading: Option<Vec<String>>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with a heading.
    pub(crate) fn new<T: AsRef<str>>(columns: impl IntoIterator<Item = T>) -> Self {
        let heading = columns.into_iter().map(|name| printable(name.as_ref()).to_uppercase()).collect();
        Self { heading: Some(heading), rows: Vec::new() }
    }

    /// Aligned lines.
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn render(&self, style: Style) -> String {
        let widths = self.widths(style.width);
        let mut out = String::new();
        if let Some(heading) = &self.heading {
            let cells: Vec<_> = heading.iter().map(|name| Cell { text: name.clone(), colour: None }).collect();
            line(&mut out, &cells, &widths, style.colour.then_some("\x1b[1m"), false);
        }
        for row in &self.rows {
            line(&mut out, row, &widths, None, style.colour);
        }
        out
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).chain(self.heading.as_ref().map(Vec::len)).max().unwrap_or(0);
        let mut widths = vec![0; columns];
        for name in self.heading.iter().flat_map(|heading| heading.iter().enumerate()) {
            widths[name.0] = name.1.width();
        }
        for (column, cell) in self.rows.iter().flat_map(|row| row.iter().enumerate()) {
            widths[column] = widths[column].max(cell.text.width());
        }
        let Some(limit) = limit else { return widths };
        let between = 2 * columns.saturating_sub(1);
        // The widest column gives way first, down to the next widest, until it fits.
        while widths.iter().sum::<usize>() + between > limit {
            let Some(widest) = widths.iter_mut().max().filter(|width| **width > LEAST) else { break };
            *widest -= 1;
        }
        widths
    }
}

fn line(out: &mut String, cells: &[Cell], widths: &[usize], bold: Option<&str>, colour: bool) {
    let last = cells.len().saturating_sub(1);
    for (column, cell) in cells.iter().enumerate() {
        let width = widths[column];
        let text = cut(&cell.text, width);
        let code = bold.or(match cell.colour.filter(|_| colour) {
            Some(Colour::Good) => Some("\x1b[32m"),
            Some(Colour::Middling) => Some("\x1b[33m"),
            Some(Colour::Bad) => Some("\x1b[31m"),
            None => None,
        });
        match code {
            Some(code) => out.extend([code, &text, "\x1b[0m"]),
            None => out.push_str(&text),
        }
        if column < last {
            out.extend(std::iter::repeat_n(' ', width - text.width() + 2));
        }
    }
    out.push('\n');
}

fn cut(text: &str, width: usize) -> std::borrow::Cow<'_, str> {
    if text.width() <= width {
        return text.into();
    }
    let mut short = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        match left.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => left = rest,
            None => break,
        }
        short.push(c);
    }
    short.push('…');
    short.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["key", "value"]);
        table.row(["a".into(), "a long value that does not fit".into()]);
        table.row(["日本".into(), "".into()]);
        table
    }

    #[test]
    fn columns_align_whatever_the_script_and_no_line_ends_in_spaces() {
        let text = table().render(Style::default());
        assert_eq!(text, "KEY   VALUE\na     a long value that does not fit\n日本  -\n");
    }

    #[test]
    fn on_a_terminal_the_widest_column_gives_way() {
        let text = table().render(Style { colour: false, width: Some(16) });
        assert_eq!(text, "KEY   VALUE\na     a long va…\n日本  -\n");
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let mut table = Table::new(["state", "x"]);
        table.row([Cell::new("ok").coloured(Some(Colour::Good)), "y".into()]);
        let text = table.render(Style { colour: true, width: None });
        assert_eq!(text, "\x1b[1mSTATE\x1b[0m  \x1b[1mX\x1b[0m\n\x1b[32mok\x1b[0m     y\n");
    }

    #[test]
    fn what_others_wrote_cannot_leave_its_cell() {
        let mut table = Table::new(["a"]);
        table.row(["x\x1b[31m\ny".into()]);
        assert_eq!(table.render(Style::default()), "A\nx\\u{1b}[31m\\ny\n");
    }
}
