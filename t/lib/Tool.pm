package Tool;
# The tool, varve, as a command line; what it said is in $out and $err until it is started again.
#
#   is(varve('topic ls -b', $broker->address), 0, 'topics') or diag($err);
use strict;
use warnings;
use Exporter 'import';
use File::Temp qw(tempdir);
use Varved;

our @EXPORT = qw(varve $out $err);
our ($out, $err);

my $tool = ($ENV{builddir} // '.') . '/server/tool/varve';
my $dir = tempdir(CLEANUP => 1);

# Its exit code; the words are for the shell.
sub varve {
    my (@words) = @_;
    my $rc = system("$tool @words >$dir/out 2>$dir/err");
    ($out, $err) = (text_of("$dir/out"), text_of("$dir/err"));
    return $rc >> 8;
}

1;
