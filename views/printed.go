package views

// printed is what the generated code asks for each text that a page shows (see .ci/templ.sed). A component has no other
// way to fail than its writer, and what is no text is made one where it is shown.
func printed[T ~string](text T) (string, error) { return string(text), nil }
