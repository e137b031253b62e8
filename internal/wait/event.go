package wait

// An Event is what a [Watch] has seen.
type Event int

const (
	// Happened is that something has happened that it watches for.
	Happened Event = iota + 1
	// Touched is that the file's times or permissions have changed, or one of
	// its names, and nothing else.
	Touched
	// Replaced is that the file may no longer be at its path, or is no longer
	// watched for other reasons.
	Replaced
)
