//! Wire formats and session rules of encke.
