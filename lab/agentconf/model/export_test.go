package model

// Lifetimes are what releases.json has.
type Lifetimes = lifetimes

// What the tests of this package use besides.
var (
	Below         = below
	NameOf        = nameOf
	ReadLifetimes = readLifetimes
)
