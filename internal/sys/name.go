package sys

// A Name is a path that is looked up often. The zero Name is of nothing.
type Name struct {
	path string
	text *byte // path as the system takes it; nil where that does not help
}

// NameOf returns the name that is path.
func NameOf(path string) Name { return Name{path, textOf(path)} }

// String returns the path.
func (n Name) String() string { return n.path }
