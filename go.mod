module github.com/gofilelock/filelock

go 1.25.0

require (
	github.com/gofrs/flock v0.13.1
	go.uber.org/goleak v1.3.0
	golang.org/x/sys v0.47.0
)
