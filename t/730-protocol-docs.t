#!/usr/bin/perl
# varve-protocol(7) lists the APIs that the code has.
#   VARVE_UPDATE=1 t/730-protocol-docs.t    write into it what it should say
use strict;
use warnings;

my $top = $ENV{srcdir} // '.';
my $man = "$top/man/varve-protocol.7";
my $list = ".Bl -column -compact \"ListPartitionReassignments\" \"key\" \"versions\" \"flexible\"\n"
    . ".It API Ta key Ta versions Ta flexible\n";

open my $apis, '<', "$top/server/wire/apis.def" or die "apis.def: $!";
while (<$apis>) {
    my ($key, $name, $first, $last, $flex) =
        /^VRV_API\((\d+), \w+, (\w+), (\d+), (\d+), (\w+)\)/ or next;
    $list .= ".It $name Ta $key Ta " . ($first == $last ? $first : "$first to $last") . ' Ta '
        . ($flex eq 'NONE' ? 'none' : "from $flex") . "\n";
}
$list .= ".El\n";

open my $in, '<', $man or die "$man: $!";
my $text = do { local $/; <$in> };
if ($ENV{VARVE_UPDATE}) {
    $text =~ s/(\.\\" begin apis\n).*(\.\\" end apis\n)/$1$list$2/s;
    open my $out, '>', $man or die "$man: $!";
    print $out $text;
}
my ($says) = $text =~ /\.\\" begin apis\n(.*)\.\\" end apis\n/s;
my $same = defined $says && $says eq $list;
print $same ? '' : 'not ', "ok 1 - varve-protocol(7) has every API with its versions\n";
print "# VARVE_UPDATE=1 t/730-protocol-docs.t writes it anew\n" unless $same;
print "1..1\n";
