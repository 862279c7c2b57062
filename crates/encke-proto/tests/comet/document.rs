//! What an HTML parser makes of a response: elements with their texts, comments and stray text.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{ByteTendril, StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, ParseOpts, QualName, parse_document};

/// A script element.
pub(crate) struct Script {
    pub(crate) nonce: Option<String>,
    pub(crate) source: String,
    /// Whether its end tag was there.
    pub(crate) ended: bool,
}

/// The scripts of a response that arrives in these pieces.
///
/// # Panics
///
/// When it holds anything else but its frame and spaces.
pub(crate) fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Script> {
    let mut parser = parse_document(Sink::default(), ParseOpts::default()).from_utf8();
    pieces
        .into_iter()
        .for_each(|piece| parser.process(ByteTendril::from_slice(piece)));
    let nodes = parser.finish().nodes.into_inner();
    nodes.iter().filter_map(|node| node.script()).collect()
}

#[derive(Default)]
struct Sink {
    document: Rc<Node>,
    nodes: RefCell<Vec<Rc<Node>>>,
}

#[derive(Default)]
struct Node {
    name: Option<QualName>,
    nonce: Option<String>,
    text: RefCell<String>,
    ended: Cell<bool>,
}

impl Node {
    fn script(&self) -> Option<Script> {
        let name = self.name.as_ref().map_or("a comment", |name| &*name.local);
        let text = self.text.borrow();
        match name {
            "script" => Some(Script {
                nonce: self.nonce.clone(),
                source: text.clone(),
                ended: self.ended.get(),
            }),
            "html" | "head" | "body" if text.trim_matches(' ').is_empty() => None,
            _ => panic!("the document has {name} with {text:?}"),
        }
    }
}

impl TreeSink for Sink {
    type Handle = Rc<Node>;
    type Output = Self;
    type ElemName<'a> = ExpandedName<'a>;

    fn finish(self) -> Self {
        self
    }

    fn get_document(&self) -> Rc<Node> {
        self.document.clone()
    }

    fn elem_name<'a>(&'a self, element: &'a Rc<Node>) -> ExpandedName<'a> {
        element.name.as_ref().expect("is an element").expanded()
    }

    fn create_element(
        &self,
        name: QualName,
        attributes: Vec<Attribute>,
        _: ElementFlags,
    ) -> Rc<Node> {
        let is_nonce = |attribute: &&Attribute| &*attribute.name.local == "nonce";
        let node = Rc::new(Node {
            name: Some(name),
            nonce: attributes
                .iter()
                .find(is_nonce)
                .map(|nonce| nonce.value.to_string()),
            ..Node::default()
        });
        self.nodes.borrow_mut().push(node.clone());
        node
    }

    fn create_comment(&self, _: StrTendril) -> Rc<Node> {
        let node = Rc::<Node>::default();
        self.nodes.borrow_mut().push(node.clone());
        node
    }

    fn create_pi(&self, _: StrTendril, text: StrTendril) -> Rc<Node> {
        self.create_comment(text)
    }

    fn append(&self, parent: &Rc<Node>, child: NodeOrText<Rc<Node>>) {
        if let NodeOrText::AppendText(text) = child {
            parent.text.borrow_mut().push_str(&text);
        }
    }

    fn pop(&self, node: &Rc<Node>) {
        node.ended.set(true);
    }

    fn append_before_sibling(&self, _: &Rc<Node>, _: NodeOrText<Rc<Node>>) {
        panic!("only tables have such content");
    }

    fn append_based_on_parent_node(&self, _: &Rc<Node>, _: &Rc<Node>, _: NodeOrText<Rc<Node>>) {
        panic!("only tables have such content");
    }

    fn get_template_contents(&self, _: &Rc<Node>) -> Rc<Node> {
        panic!("only templates have such content");
    }

    fn same_node(&self, a: &Rc<Node>, b: &Rc<Node>) -> bool {
        Rc::ptr_eq(a, b)
    }

    fn parse_error(&self, _: Cow<'static, str>) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn add_attrs_if_missing(&self, _: &Rc<Node>, _: Vec<Attribute>) {}
    fn remove_from_parent(&self, _: &Rc<Node>) {}
    fn reparent_children(&self, _: &Rc<Node>, _: &Rc<Node>) {}
}
