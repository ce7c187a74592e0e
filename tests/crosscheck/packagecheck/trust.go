package main

import (
	"encoding/json"
	"fmt"
	"strconv"
)

type source struct {
	From, ID, Key, Role string
	SuspectFrom         *string `json:"suspect_from"`
	Until               *string
}

type trust struct {
	raw      []byte
	Logs     []struct{ Key string }
	Number   string
	Policies []struct{ From, Policy string }
	Previous *string
	Roots    struct {
		Keys      []struct{ Key string }
		Threshold string
	}
	Since   string
	Site    string
	Sources []source
}

func parseTrust(data []byte) (trust, bool) {
	t := trust{raw: data}
	err := json.Unmarshal(data, &t)
	return t, err == nil
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1 // beyond 63 bits, or none
	}
	return value
}

func (t trust) number() int64 { return number(t.Number) }
func (t trust) log() string   { return t.Logs[len(t.Logs)-1].Key }

func (t trust) centre() source {
	for _, each := range t.Sources {
		if each.Role == "centre" && each.Until == nil {
			return each
		}
	}
	return source{}
}

// key returns the entry of a source that has the key of this id.
func (t trust) key(name, id string) *source {
	for _, each := range t.Sources {
		if each.ID == name && sum(unhex(each.Key)) == id {
			return &each
		}
	}
	return nil
}

// policyAt returns the policy in force for a checkpoint of this size.
func (t trust) policyAt(size int64) policy {
	text := ""
	for _, each := range t.Policies {
		if number(each.From) <= size {
			text = each.Policy
		}
	}
	return parsePolicy(text)
}

// isSignedBy says whether enough of these roots signed a document.
func (t trust) hasSigned(e *envelope) bool {
	count := 0
	for _, root := range t.Roots.Keys {
		if e.isSignedBy(root.Key) {
			count++
		}
	}
	return int64(count) >= number(t.Roots.Threshold)
}

// keeps says whether a later document still has all sources of an earlier one, with their keys and beginnings.
func (t trust) keeps(old trust) bool {
	if t.Site != old.Site || t.log() != old.log() {
		return false
	}
	for _, each := range old.Sources {
		entry := t.key(each.ID, sum(unhex(each.Key)))
		if entry == nil || entry.From != each.From || entry.Role != each.Role {
			return false
		}
	}
	return true
}

// believed returns the document that counts: the package's if the outsider's leads to it, else the outsider's.
func (b *bag) believed(own trust, data []byte) trust {
	chain := []trust{}
	for place := int64(1); place <= own.number(); place++ {
		e, err := openEnvelope(b.files[fmt.Sprintf("data/trust/roots/%d.dsse.json", place)])
		if err != nil || e.kind != "application/vnd.evidock.trust-root+json" {
			b.fault("PKG-013", true)
			break
		}
		t, isTrust := parseTrust(e.payload)
		isRight := isTrust && t.number() == place && t.hasSigned(e)
		if place > 1 {
			before := chain[place-2]
			isRight = isRight && before.hasSigned(e) && t.Previous != nil && *t.Previous == sum(before.raw) && t.keeps(before)
		}
		if !isRight || place == own.number() && string(t.raw) != string(own.raw) {
			b.fault("PKG-013", true)
			break
		}
		chain = append(chain, t)
	}
	known, isKnown := parseTrust(data)
	if !isKnown {
		return own
	}
	if known.number() > own.number() {
		b.fault("PKG-012", !known.keeps(own))
		return known
	}
	if int64(len(chain)) < known.number() || string(chain[known.number()-1].raw) != string(known.raw) {
		b.fault("PKG-012", true)
		return known
	}
	if int64(len(chain)) < own.number() {
		return known
	}
	return own
}
