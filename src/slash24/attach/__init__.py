"""One pod's link and lease: ADD, DEL and CHECK as undoable steps."""
