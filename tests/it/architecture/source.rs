//! Rust source as far as the conventions need it: tokens without comments, and the paths that lead out of a module.
//! Not here: the permitted dependencies (`architecture`), and any grammar beyond paths.

/// A token, as far as the conventions need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name or keyword.
    Word(String),
    /// The text of a string literal, with its escapes as written.
    Text(String),
    /// The separator `::` of a path.
    Path,
    /// Any other character that is no space.
    Sign(char),
}

/// A token and its line, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    pub token: Token,
    pub line: usize,
}

/// Returns the tokens of a source. Comments are dropped; strings and characters are one token each, so that prose may
/// name anything.
pub fn tokens(source: &str) -> Vec<Placed> {
    let chars: Vec<char> = source.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, line: 1, tokens: Vec::new() };
    while reader.at < chars.len() {
        reader.step();
    }
    reader.tokens
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
    tokens: Vec<Placed>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn bump(&mut self) -> char {
        let c = self.peek(0);
        self.at += 1;
        self.line += usize::from(c == '\n');
        c
    }

    fn push(&mut self, token: Token, line: usize) {
        self.tokens.push(Placed { token, line });
    }

    fn step(&mut self) {
        let line = self.line;
        match (self.peek(0), self.peek(1)) {
            ('/', '/') => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    self.bump();
                }
            }
            ('/', '*') => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.character_or_lifetime(),
            (':', ':') => {
                self.at += 2;
                self.push(Token::Path, line);
            }
            (c, _) if c.is_alphanumeric() || c == '_' => self.word(),
            (c, _) => {
                self.bump();
                if !c.is_whitespace() {
                    self.push(Token::Sign(c), line);
                }
            }
        }
    }

    /// Skips a block comment; block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.bump();
                    continue;
                }
            }
            self.at += 2;
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let line = self.line;
        self.bump();
        let mut text = String::new();
        while self.at < self.chars.len() {
            match self.bump() {
                '"' => break,
                '\\' => {
                    text.push('\\');
                    text.push(self.bump());
                }
                c => text.push(c),
            }
        }
        self.push(Token::Text(text), line);
    }

    /// Reads a raw string after `r` and its `#`s; it ends at a quote with as many `#`s.
    fn raw_string(&mut self) {
        let line = self.line;
        let mut fence = 0;
        while self.peek(0) == '#' {
            self.bump();
            fence += 1;
        }
        self.bump();
        let mut text = String::new();
        while self.at < self.chars.len() {
            let c = self.bump();
            if c == '"' && (0..fence).all(|ahead| self.peek(ahead) == '#') {
                self.at += fence;
                break;
            }
            text.push(c);
        }
        self.push(Token::Text(text), line);
    }

    /// `'x'` is a character, `'x` a lifetime.
    fn character_or_lifetime(&mut self) {
        let line = self.line;
        self.bump();
        if self.peek(0) == '\\' {
            self.at += 2;
            while self.at < self.chars.len() && self.bump() != '\'' {}
            self.push(Token::Text(String::new()), line);
        } else if self.peek(1) == '\'' {
            self.bump();
            self.bump();
            self.push(Token::Text(String::new()), line);
        }
    }

    fn word(&mut self) {
        let line = self.line;
        let mut word = String::new();
        while self.peek(0).is_alphanumeric() || self.peek(0) == '_' {
            word.push(self.bump());
        }
        let raw = word.ends_with('r') && ["r", "br", "cr"].contains(&word.as_str());
        let fences = self.chars[self.at.min(self.chars.len())..].iter().take_while(|c| **c == '#').count();
        if raw && self.peek(fences) == '"' {
            return self.raw_string();
        }
        if ["b", "c"].contains(&word.as_str()) && self.peek(0) == '"' {
            return self.string();
        }
        self.push(Token::Word(word), line);
    }
}

/// A path that leads to the root of the crate and into one of its modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrow {
    /// First name after the root.
    pub to: String,
    /// All names behind the root.
    pub path: Vec<String>,
    pub line: usize,
}

/// Returns every path of a source that reaches the root of the crate, however it is written: `crate::a`, `crate::{a,
/// b::{c}}`, `super::super::a`, inline or in a `use`. `module` is the module of the source, such as `["booking",
/// "place"]`; `library` is the name of the crate from outside, for the program's own file.
pub fn arrows(tokens: &[Placed], module: &[&str], library: Option<&str>) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    // Modules written inside the file, with the depth of braces their bodies have.
    let (mut inline, mut depth): (Vec<usize>, usize) = (Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at].token {
            Token::Sign('{') => {
                depth += 1;
                let opens = at >= 2 && is_word(tokens, at - 2, "mod");
                if opens {
                    inline.push(depth);
                }
            }
            Token::Sign('}') => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            Token::Word(word) => {
                let begins = ["crate", "super", "self"].contains(&word.as_str()) || Some(word.as_str()) == library;
                let is_path = tokens.get(at + 1).is_some_and(|next| next.token == Token::Path);
                let goes_on = at > 0 && tokens[at - 1].token == Token::Path;
                if begins && is_path && !goes_on {
                    let mut paths = Vec::new();
                    let next = tree(tokens, at, Vec::new(), &mut paths);
                    let here = module.len() + inline.len();
                    arrows.extend(paths.iter().filter_map(|path| resolve(path, module, here, library)));
                    at = next;
                    continue;
                }
            }
            Token::Text(_) | Token::Path | Token::Sign(_) => {}
        }
        at += 1;
    }
    arrows
}

fn is_word(tokens: &[Placed], at: usize, word: &str) -> bool {
    matches!(&tokens[at].token, Token::Word(found) if found == word)
}

type Named = Vec<(String, usize)>;

/// Reads `a::b::{c, d::{e}}` from `at` on and adds each path in it. Returns the position after it.
fn tree(tokens: &[Placed], mut at: usize, mut prefix: Named, paths: &mut Vec<Named>) -> usize {
    while let Some(placed) = tokens.get(at) {
        match &placed.token {
            Token::Word(word) => {
                prefix.push((word.clone(), placed.line));
                at += 1;
                match tokens.get(at).map(|next| &next.token) {
                    Some(Token::Path) => at += 1,
                    _ => break,
                }
            }
            Token::Sign('{') => {
                at += 1;
                while let Some(item) = tokens.get(at) {
                    match &item.token {
                        Token::Sign('}') => return at + 1,
                        // The start of an item; the rest of it (`as other`) and the comma are skipped.
                        Token::Word(word) if word != "as" => at = tree(tokens, at, prefix.clone(), paths),
                        Token::Word(_) => at += 2,
                        _ => at += 1,
                    }
                }
                return at;
            }
            _ => break,
        }
    }
    paths.push(prefix);
    at
}

/// Resolves a path that leads into a module below the root by way of the root, `self` or `super`.
fn resolve(path: &Named, module: &[&str], here: usize, library: Option<&str>) -> Option<Arrow> {
    let mut level = here;
    for (at, (name, line)) in path.iter().enumerate() {
        match name.as_str() {
            "self" => {}
            "super" => level = level.checked_sub(1)?,
            "crate" => level = 0,
            other if Some(other) == library => level = 0,
            _ => {
                // Modules written inside a file are part of it.
                let prefix = module.iter().take(level).map(|name| (*name).to_owned());
                let path: Vec<String> = prefix.chain(path[at..].iter().map(|(name, _)| name.clone())).collect();
                return Some(Arrow { to: path.first()?.clone(), path, line: *line });
            }
        }
    }
    None
}
