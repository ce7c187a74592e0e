package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
)

type envelope struct {
	kind       string
	payload    []byte
	pae        []byte
	signatures map[string][]byte // by key id
}

// openEnvelope reads a DSSE envelope in its one form: the same members written again are the same bytes.
func openEnvelope(raw []byte) (*envelope, error) {
	var d struct {
		Payload     string
		PayloadType string
		Signatures  []struct{ Keyid, Sig string }
	}
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	e := &envelope{kind: d.PayloadType, signatures: map[string][]byte{}}
	var err error
	if e.payload, err = base64.StdEncoding.Strict().DecodeString(d.Payload); err != nil {
		return nil, err
	}
	parts := []string{}
	for _, each := range d.Signatures {
		parts = append(parts, fmt.Sprintf(`{"keyid":"%s","sig":"%s"}`, each.Keyid, each.Sig))
		if e.signatures[each.Keyid], err = base64.StdEncoding.Strict().DecodeString(each.Sig); err != nil {
			return nil, err
		}
	}
	again := fmt.Sprintf(`{"payload":"%s","payloadType":"%s","signatures":[%s]}`, d.Payload, d.PayloadType, strings.Join(parts, ","))
	if again != string(raw) {
		return nil, errors.New("another form")
	}
	e.pae = []byte(fmt.Sprintf("DSSEv1 %d %s %d %s", len(e.kind), e.kind, len(e.payload), e.payload))
	return e, nil
}

func (e *envelope) isSignedBy(key string) bool {
	signature, isThere := e.signatures[sum(unhex(key))]
	return isThere && verify(key, e.pae, signature)
}

func verify(key string, message, signature []byte) bool {
	public := unhex(key)
	return len(public) == ed25519.PublicKeySize && ed25519.Verify(public, message, signature)
}

type link struct{ ID, Prev, Seq string }

func (l link) number() int {
	number, _ := strconv.Atoi(l.Seq)
	return number
}

type blob struct {
	Role, Sha256 string
	Size         string `json:"size_bytes"`
}

type event struct {
	index    int
	hash     string
	isProved bool
	kind     string
	asset    link // empty: about no item
	source   link
	subject  string
	blobs    []blob
	session  string
	assets   []string
}

func parseEvent(payload []byte) (event, error) {
	var s struct {
		Predicate struct {
			Asset  *link
			Body   json.RawMessage
			Kind   string
			Source link
		}
		Subject []struct{ Digest map[string]string }
	}
	if err := json.Unmarshal(payload, &s); err != nil || len(s.Subject) != 1 {
		return event{}, errors.New("no event")
	}
	e := event{kind: s.Predicate.Kind, source: s.Predicate.Source, subject: s.Subject[0].Digest["sha256"]}
	if s.Predicate.Asset != nil {
		e.asset = *s.Predicate.Asset
	}
	var body struct {
		Blobs   []blob
		Session string
		Assets  []string
	}
	_ = json.Unmarshal(s.Predicate.Body, &body) // a body of another form names nothing
	e.blobs, e.session, e.assets = body.Blobs, body.Session, body.Assets
	return e, nil
}

func (b *bag) checkEvents() {
	b.signers = map[string]bool{}
	for path, raw := range b.files {
		index, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(path, "data/events/"), ".dsse.json"))
		if err != nil || !strings.HasPrefix(path, "data/events/") {
			continue
		}
		signed, err := openEnvelope(raw)
		if err != nil || signed.kind != "application/vnd.in-toto+json" {
			b.fault("PKG-020", true)
			continue
		}
		e, err := parseEvent(signed.payload)
		if err != nil {
			b.fault("PKG-020", true)
			continue
		}
		e.index, e.hash = index, sum(raw)
		e.isProved = b.checkSignatures(signed, e)
		e.isProved = b.checkProof(raw, e) && e.isProved
		b.checkBeside(index, signed)
		b.events = append(b.events, e)
	}
	sort.Slice(b.events, func(i, j int) bool { return b.events[i].index < b.events[j].index })
}

func (b *bag) checkSignatures(signed *envelope, e event) bool {
	isRight, isBySource, by := true, false, map[string]bool{}
	for _, each := range b.trust.Sources {
		id := sum(unhex(each.Key))
		if _, isThere := signed.signatures[id]; isThere {
			isRight = isRight && signed.isSignedBy(each.Key)
			isBySource = isBySource || each.ID == e.source.ID
			by[id] = true
		}
	}
	if !isRight || !isBySource {
		b.fault("PKG-021", true)
		return false
	}
	for id := range by {
		b.signers[id] = true
	}
	entry := b.trust.key(e.source.ID, b.signerOf(signed, e))
	if at := int64(e.index); at < number(entry.From) || entry.Until != nil && at >= number(*entry.Until) {
		b.fault("PKG-025", true)
		return false
	}
	b.fault("PKG-026", entry.SuspectFrom != nil && int64(e.index) >= number(*entry.SuspectFrom))
	return true
}

// signerOf returns the id of the key by which a source signed.
func (b *bag) signerOf(signed *envelope, e event) string {
	for id := range signed.signatures {
		if b.trust.key(e.source.ID, id) != nil {
			return id
		}
	}
	return ""
}

func (b *bag) checkBeside(index int, signed *envelope) {
	base := fmt.Sprintf("data/events/%d.", index)
	expected := map[string][]byte{base + "payload": signed.payload, base + "pae": signed.pae}
	for id, signature := range signed.signatures {
		expected[base+id+".sig"] = signature
	}
	for path, data := range expected {
		b.fault("PKG-022", !bytes.Equal(b.files[path], data))
	}
	for path := range b.files {
		_, isExpected := expected[path]
		b.fault("PKG-022", strings.HasPrefix(path, base) && !isExpected && path != base+"dsse.json")
	}
}

func (b *bag) checkProof(raw []byte, e event) bool {
	proof, err := parseProof(b.files[fmt.Sprintf("data/proofs/%d.sigsum", e.index)])
	if err != nil {
		b.fault("PKG-032", true)
		return false
	}
	checksum := unhex(sum(unhex(sum(raw))))
	isRight := false
	for _, each := range b.trust.Sources {
		if each.ID == e.source.ID && sum(unhex(each.Key)) == proof.keyHash {
			isRight = verify(each.Key, append([]byte("sigsum.org/v1/tree-leaf\x00"), checksum...), proof.leafSignature)
		}
	}
	b.fault("PKG-031", !isRight)
	if b.head == nil {
		return false
	}
	leaf := append(append(append([]byte{}, checksum...), proof.leafSignature...), unhex(proof.keyHash)...)
	isIncluded := proof.index == int64(e.index) && proof.size == b.head.size && proof.root == hex.EncodeToString(b.head.root[:]) &&
		proof.log == sum(unhex(b.trust.log())) && b.head.includes(proof.index, leaf, proof.path)
	b.fault("PKG-032", !isIncluded)
	return isRight && isIncluded
}
