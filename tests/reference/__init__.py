"""An independent second opinion on what governor must decide."""
