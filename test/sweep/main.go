// Command sweep vets the packages of the module in the current directory, and their
// tests, for other systems:
//
//	sweep GOOS/GOARCH...
//
// It does as go vet does, from the source of everything that they import, so nothing
// has to be compiled for a system first: that takes ten times as long.
package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

func main() {
	findings := 0
	for _, target := range os.Args[1:] {
		fmt.Println(target)
		n, err := sweep(target)
		if err != nil {
			fmt.Fprintf(os.Stderr, "sweep: %s: %v\n", target, err)
			os.Exit(2)
		}
		findings += n
	}
	if findings > 0 {
		os.Exit(1)
	}
}

// sweep prints what is wrong on a system, and returns how much it is.
func sweep(target string) (findings int, err error) {
	system, processor, ok := strings.Cut(target, "/")
	if !ok {
		return 0, fmt.Errorf("not GOOS/GOARCH")
	}
	pkgs, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax | packages.NeedModule,
		Tests: true,
		Env:   append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0"),
	}, "./...")
	if err != nil {
		return 0, err
	}
	if len(pkgs) == 0 {
		return 0, fmt.Errorf("no packages")
	}
	if findings = packages.PrintErrors(pkgs); findings > 0 {
		return findings, nil // vet has nothing to go by
	}
	graph, err := checker.Analyze(vet.Suite, pkgs, nil)
	if err != nil {
		return 0, err
	}
	for _, action := range graph.Roots {
		if findings += len(action.Diagnostics); action.Err != nil {
			return findings, action.Err
		}
	}
	return findings, graph.PrintText(os.Stderr, 0)
}
