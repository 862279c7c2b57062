//! Reads back what the Comet encoder writes, by the rules of ECMAScript.

/// The UTF-16 value of a source text that is one string literal, `None` if it is not.
pub fn string(source: &str) -> Option<Vec<u16>> {
    let mut rest = source.chars();
    let quote = rest.next().filter(|&c| c == '\'' || c == '"')?;
    let mut value = Vec::new();
    loop {
        match rest.next()? {
            '\\' => value.push(escape(&mut rest)?),
            // "DoubleStringCharacter :: SourceCharacter but not one of " or \ or LineTerminator";
            // the separators count as line terminators before ES2019.
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => return None,
            c if c == quote => return rest.next().is_none().then_some(value),
            c => value.extend_from_slice(c.encode_utf16(&mut [0; 2])),
        }
    }
}

fn escape(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    Some(match rest.next()? {
        'b' => 0x8,
        't' => 0x9,
        'n' => 0xa,
        'v' => 0xb,
        'f' => 0xc,
        'r' => 0xd,
        'u' => {
            let digits = rest.as_str().get(..4)?;
            *rest = rest.as_str()[4..].chars();
            u16::from_str_radix(digits, 16).ok()?
        }
        c @ ('\'' | '"' | '\\' | '/') => c as u16,
        _ => return None,
    })
}

/// The JSON text of the value that a JSON expression has.
pub fn json(source: &str) -> String {
    match source
        .strip_prefix("JSON.parse(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(literal) => String::from_utf16_lossy(&string(literal).expect("a string literal")),
        // In a string the quotes would be escaped. A plain key sets the prototype: it is lost.
        None => source
            .replace("{\"__proto__\":", "{\"lost\":")
            .replace(",\"__proto__\":", ",\"lost\":")
            .replace("[\"__proto__\"]:", "\"__proto__\":"),
    }
}
