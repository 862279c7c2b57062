//! The proxy between what breaks: if these fail, the rest says nothing about encke.

mod proxy;
