module github.com/gofilelock/filelock/test

go 1.25.0

replace github.com/gofilelock/filelock => ../

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/gofilelock/filelock v0.0.0-00010101000000-000000000000
	github.com/gofrs/flock v0.13.1
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/rogpeppe/go-internal v1.14.1
	go.uber.org/goleak v1.3.0
	golang.org/x/sys v0.47.0
)

require golang.org/x/tools v0.26.0 // indirect
